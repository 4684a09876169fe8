#include "training/process_group.h"

#include <ATen/ops/zeros.h>
#include <c10/util/Logging.h>

#include <cstdlib>
#include <thread>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "core/cancellation.h"
#include "core/error.h"
#include "training/group_membership.h"
#include "training/nccl_backend.h"
#include "training/tcp_probe.h"

namespace latentray {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// Between two looks at what the others reported, while waiting.
constexpr milliseconds kLook(250);
// Of one question to the store, which answers at once while it lives.
constexpr milliseconds kStoreTimeout(10'000);

// c10d logs every broken connection with a C++ stack trace, and throws it too: what is thrown
// becomes an error that says who is missing. TORCH_CPP_LOG_LEVEL brings the log back.
void quiet_c10d() {
  if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
}

std::string first_line(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  return text.substr(0, text.find('\n'));
}

std::string address_of(const ProcessGroupOptions& options) {
  return c10::str(options.master_addr, ":", options.master_port);
}

c10::intrusive_ptr<c10d::Store> make_store(const ProcessGroupOptions& options, bool is_server) {
  c10d::TCPStoreOptions store;
  store.port = options.master_port;
  store.isServer = is_server;
  store.waitWorkers = false;
  store.timeout = kStoreTimeout;
  return c10::make_intrusive<c10d::TCPStore>(options.master_addr, store);
}

c10::intrusive_ptr<c10d::Store> host_store(const ProcessGroupOptions& options) {
  try {
    return make_store(options, /*is_server=*/true);
  } catch (const c10::Error& error) {
    throw Error("ERR_PROCESS_GROUP",
                c10::str("rank 0 cannot keep the group's store at ", address_of(options),
                         ": the port is taken, or MASTER_ADDR is not this machine. Choose another "
                         "MASTER_PORT, or end the job that has it (",
                         first_line(error), ")"));
  }
}

c10::intrusive_ptr<c10d::Store> find_store(const ProcessGroupOptions& options,
                                           steady_clock::time_point deadline) {
  while (true) {
    cancellation_point();
    const auto problem = probe_tcp(options.master_addr, options.master_port, kLook);
    if (problem.empty()) break;
    LATENTRAY_CHECK(steady_clock::now() < deadline, "ERR_PROCESS_GROUP", "rank ", options.rank,
                    ": nobody answers at ", address_of(options), " (", problem,
                    "). Start rank 0 there, and check MASTER_ADDR and MASTER_PORT");
    std::this_thread::sleep_for(kLook / 2);
  }
  try {
    return make_store(options, /*is_server=*/false);
  } catch (const c10::Error& error) {
    throw Error("ERR_PROCESS_GROUP",
                c10::str("rank ", options.rank, ": what answers at ", address_of(options),
                         " is no process group. Check MASTER_ADDR and MASTER_PORT (",
                         first_line(error), ")"));
  }
}

c10::intrusive_ptr<c10d::Store> open_store(const ProcessGroupOptions& options,
                                           steady_clock::time_point deadline) {
  auto store = options.hosts_store ? host_store(options) : find_store(options, deadline);
  return c10::make_intrusive<c10d::PrefixStore>("latentray/" + options.prefix, std::move(store));
}

c10::intrusive_ptr<c10d::Backend> open_backend(const ProcessGroupOptions& options,
                                               const c10::intrusive_ptr<c10d::Store>& store) {
  if (options.backend == "nccl") return make_nccl_backend(options, store);
  LATENTRAY_CHECK(options.backend == "gloo", "ERR_INVALID_ARG",
                  "backend: expected 'gloo' or 'nccl'; received '", options.backend, "'");
  return c10::make_intrusive<c10d::ProcessGroupGloo>(
      c10::make_intrusive<c10d::PrefixStore>("gloo", store), options.rank, options.world_size,
      c10d::ProcessGroupGloo::Options::create_default(options.timeout));
}

c10d::ReduceOp operation_of(Reduction reduction) {
  switch (reduction) {
    case Reduction::kMin:
      return c10d::ReduceOp::MIN;
    case Reduction::kMax:
      return c10d::ReduceOp::MAX;
    default:
      return c10d::ReduceOp::SUM;
  }
}

// A backend whose operations never end would wait for them in its destructor. Such a process is
// about to end anyway.
void abandon(c10::intrusive_ptr<c10d::Backend> backend) { (void)backend.release(); }

}  // namespace

class PendingReduction {
 public:
  c10::intrusive_ptr<c10d::Work> work;  // none where one process is alone
};

struct ProcessGroup::Connection {
  c10::intrusive_ptr<c10d::Store> store;
  std::unique_ptr<GroupMembership> membership;
  c10::intrusive_ptr<c10d::Backend> backend;
};

ProcessGroup::ProcessGroup(const ProcessGroupOptions& options) : options_(options) {
  LATENTRAY_CHECK(options.world_size >= 1 && options.rank >= 0 && options.rank < options.world_size,
                  "ERR_INVALID_ARG", "rank: expected 0 to ", options.world_size - 1,
                  " (WORLD_SIZE is ", options.world_size, "); received ", options.rank);
  if (options.world_size == 1) return;
  quiet_c10d();
  const auto deadline = steady_clock::now() + options.timeout;
  auto connection = std::make_unique<Connection>();
  connection->store = open_store(options, deadline);
  const auto host = options.hosts_store || options.prefix.empty()
                        ? c10::str("rank 0 at ", address_of(options))
                        : c10::str("the launcher at ", address_of(options));
  connection->membership =
      std::make_unique<GroupMembership>(connection->store, options.rank, options.world_size, host);
  connection->membership->join(deadline);
  try {
    connection->backend = open_backend(options, connection->store);
  } catch (const c10::Error& error) {
    throw Error(
        "ERR_PROCESS_GROUP",
        c10::str("rank ", options.rank, ": the ranks could not be connected: ", first_line(error)));
  }
  connection_ = std::move(connection);
  barrier();
}

ProcessGroup::~ProcessGroup() {
  if (connection_ && !broken_.empty()) abandon(std::move(connection_->backend));
}

void ProcessGroup::reduce(at::Tensor tensor, Reduction reduction) {
  wait(*start(std::move(tensor), reduction));
}

std::shared_ptr<PendingReduction> ProcessGroup::start(at::Tensor tensor, Reduction reduction) {
  check_usable();
  auto pending = std::make_shared<PendingReduction>();
  if (!connection_) return pending;
  c10d::AllreduceOptions options;
  options.reduceOp = operation_of(reduction);
  std::vector<at::Tensor> tensors{std::move(tensor)};
  pending->work = connection_->backend->allreduce(tensors, options);
  return pending;
}

void ProcessGroup::wait(PendingReduction& pending) {
  check_usable();
  if (!pending.work) return;
  auto& membership = *connection_->membership;
  try {
    auto look = steady_clock::now() + kLook;
    for (int round = 0; !pending.work->isCompleted(); ++round) {
      cancellation_point();
      // Most operations end within microseconds; a rank that computes longer is waited for idly.
      std::this_thread::sleep_for(std::chrono::microseconds(round < 100 ? 20 : 500));
      if (steady_clock::now() < look) continue;
      if (const auto failure = membership.recorded_failure()) throw_failure(*failure);
      look = steady_clock::now() + kLook;
    }
    pending.work->wait();
  } catch (const Cancelled&) {
    broken_ = "this rank stopped waiting for the others";
    membership.report("was stopped");
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::exception&) {
    const auto failure = membership.find_failure();
    membership.record_failure(failure);
    // The store goes with its host: the others read it first.
    if (options_.hosts_store) std::this_thread::sleep_for(4 * kLook);
    throw_failure(failure);
  }
}

void ProcessGroup::barrier() {
  reduce(at::zeros({1}, at::TensorOptions().dtype(at::kFloat).device(device())));
}

void ProcessGroup::fail(const std::string& reason) {
  if (!connection_ || !broken_.empty()) return;
  broken_ = "this rank failed: " + reason;
  connection_->membership->report("failed: " + reason);
  if (options_.hosts_store) std::this_thread::sleep_for(4 * kLook);
}

void ProcessGroup::throw_failure(const std::string& failure) {
  broken_ = failure;
  throw Error("ERR_PROCESS_GROUP",
              c10::str("rank ", rank(), " of ", world_size(), " cannot go on: ", failure));
}

void ProcessGroup::check_usable() const {
  LATENTRAY_CHECK(broken_.empty(), "ERR_PROCESS_GROUP",
                  "the process group cannot be used: ", broken_);
}

}  // namespace latentray
