#include "training/group_membership.h"

#include <unistd.h>

#include <random>

#include "core/cancellation.h"
#include "core/error.h"

namespace latentray {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kBeat(500);
// A living rank beats within this time even on a busy machine.
constexpr milliseconds kSilence(3000);
constexpr const char* kFailure = "failure";
constexpr const char* kJoined = "joined";

std::string key_of(const char* kind, int rank) { return c10::str(kind, "/", rank); }

std::string this_process() {
  char host[256] = "";
  ::gethostname(host, sizeof(host) - 1);
  return c10::str("process ", ::getpid(), " on ", host);
}

// Tells two processes apart that claim one rank, even if both call themselves the same.
std::string unique_mark() { return c10::str(std::random_device()(), "-", std::random_device()()); }

}  // namespace

GroupMembership::GroupMembership(c10::intrusive_ptr<c10d::Store> store, int rank, int world_size,
                                 std::string host)
    : store_(std::move(store)), rank_(rank), world_size_(world_size), host_(std::move(host)) {}

GroupMembership::~GroupMembership() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  changed_.notify_all();
  if (heart_.joinable()) heart_.join();
}

void GroupMembership::join(steady_clock::time_point deadline) {
  const auto mark = unique_mark();
  LATENTRAY_CHECK(store_->compareSet(key_of("mark", rank_), "", mark) == mark, "ERR_PROCESS_GROUP",
                  "rank ", rank_, " is taken by another process (", describe(rank_),
                  "): give every process a RANK of its own, and every job a MASTER_PORT");
  store_->set(key_of("member", rank_), this_process());
  store_->add(kJoined, 1);
  while (store_->add(kJoined, 0) < world_size_) {
    cancellation_point();
    LATENTRAY_CHECK(steady_clock::now() < deadline, "ERR_PROCESS_GROUP", "rank ", rank_,
                    ": expected ", world_size_, " processes; ", missing_ranks(),
                    " did not come in time. Start one process for every rank of WORLD_SIZE");
    std::this_thread::sleep_for(milliseconds(20));
  }
  heart_ = std::thread([this] { beat(); });
}

void GroupMembership::beat() {
  std::unique_lock lock(mutex_);
  while (!leaving_) {
    lock.unlock();
    try {
      store_->add(key_of("beat", rank_), 1);
    } catch (const c10::Error&) {
      return;  // the store is gone: whoever computes will notice and say so
    }
    lock.lock();
    changed_.wait_for(lock, kBeat, [this] { return leaving_; });
  }
}

void GroupMembership::record_failure(const std::string& failure) {
  try {
    store_->compareSet(kFailure, "", failure);
  } catch (const c10::Error&) {
    // Without the store nobody can be told; the others see the connection end.
  }
}

void GroupMembership::report(const std::string& what) {
  try {
    record_failure(describe(rank_) + " " + what);
  } catch (const c10::Error&) {
    // As above.
  }
}

std::optional<std::string> GroupMembership::recorded_failure() {
  if (!store_->check({kFailure})) return std::nullopt;
  return store_->get_to_str(kFailure);
}

std::string GroupMembership::find_failure() {
  try {
    const auto before = beats();
    const auto end = steady_clock::now() + kSilence;
    while (steady_clock::now() < end) {
      cancellation_point();
      if (const auto failure = recorded_failure()) return *failure;
      std::this_thread::sleep_for(milliseconds(100));
    }
    const auto after = beats();
    for (int rank = 0; rank < world_size_; ++rank) {
      if (after[rank] != before[rank]) continue;
      return c10::str(describe(rank),
                      " stopped without giving a reason: it was killed, or crashed; see its own "
                      "output");
    }
    return "every rank is alive, but a connection between two of them broke";
  } catch (const c10::Error&) {
    return c10::str(host_,
                    ", which keeps the group together, cannot be reached any more: it was "
                    "killed, crashed, or ended first; see its own output");
  }
}

std::string GroupMembership::describe(int rank) {
  const auto key = key_of("member", rank);
  if (!store_->check({key})) return c10::str("rank ", rank);
  return c10::str("rank ", rank, " (", store_->get_to_str(key), ")");
}

std::vector<int64_t> GroupMembership::beats() {
  std::vector<int64_t> counts;
  for (int rank = 0; rank < world_size_; ++rank) {
    counts.push_back(store_->add(key_of("beat", rank), 0));
  }
  return counts;
}

std::string GroupMembership::missing_ranks() {
  std::string missing;
  for (int rank = 0; rank < world_size_; ++rank) {
    if (store_->check({key_of("member", rank)})) continue;
    missing += c10::str(missing.empty() ? "rank " : ", rank ", rank);
  }
  return missing;
}

}  // namespace latentray
