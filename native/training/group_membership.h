// Who takes part in a process group, and who has left it: over the key-value store that the
// processes meet at. A collective operation that breaks says only that a connection ended; the
// store says whose.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

namespace latentray {

class GroupMembership {
 public:
  // `host` says in messages who keeps the store.
  GroupMembership(c10::intrusive_ptr<c10d::Store> store, int rank, int world_size,
                  std::string host);
  ~GroupMembership();
  GroupMembership(const GroupMembership&) = delete;
  GroupMembership& operator=(const GroupMembership&) = delete;

  // Waits for every rank. ERR_PROCESS_GROUP names the ranks that did not come by `deadline`, or two
  // processes of one rank.
  void join(std::chrono::steady_clock::time_point deadline);

  // Keeps the first failure that any rank records.
  void record_failure(const std::string& failure);
  // Records what happened to this rank: "failed: …".
  void report(const std::string& what);
  std::optional<std::string> recorded_failure();

  // After a broken operation: what happened, as far as the others' heartbeats tell. Takes seconds.
  std::string find_failure();

  // "rank 1 (process 4242 on node-a)"
  std::string describe(int rank);

 private:
  void beat();
  std::vector<int64_t> beats();
  std::string missing_ranks();

  c10::intrusive_ptr<c10d::Store> store_;
  int rank_;
  int world_size_;
  std::string host_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool leaving_ = false;
  std::thread heart_;
};

}  // namespace latentray
