#include "training/data_parallel.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "core/cancellation.h"
#include "core/error.h"
#include "tests/check.h"

namespace latentray::test::data_parallel_test {

uint16_t next_port() {
  static uint16_t port = static_cast<uint16_t>(20000 + (::getpid() * 16) % 20000);
  return port++;
}

ProcessGroupOptions options_of(int rank, int world_size, uint16_t port) {
  ProcessGroupOptions options;
  options.rank = rank;
  options.world_size = world_size;
  options.master_port = port;
  options.hosts_store = rank == 0;
  options.timeout = std::chrono::milliseconds(20'000);
  return options;
}

// Runs one thread a rank, each with its own group as if it were a process.
void on_ranks(int world_size, const std::function<void(std::shared_ptr<ProcessGroup>)>& body) {
  const uint16_t port = next_port();
  std::vector<std::exception_ptr> errors(world_size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < world_size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        auto group = std::make_shared<ProcessGroup>(options_of(rank, world_size, port));
        body(group);
        group->barrier();
      } catch (...) {
        errors[rank] = std::current_exception();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

// Two layers, the second of which is used only where `both`.
struct Network {
  Network() {
    const auto generator = [](int64_t n) { return at::arange(n, at::kFloat).sin(); };
    first = generator(40).view({8, 5}).contiguous().requires_grad_(true);
    second = generator(24).view({3, 8}).contiguous().requires_grad_(true);
    unused = at::ones({7}).requires_grad_(true);
  }
  at::Tensor loss(const at::Tensor& x, bool both = true) const {
    const auto hidden = at::tanh(at::matmul(x, first.t()));
    return (both ? at::matmul(hidden, second.t()) : hidden).square().mean();
  }
  NamedParameters parameters() const {
    return {{"first", first}, {"second", second}, {"unused", unused}};
  }
  at::Tensor first, second, unused;
};

at::Tensor inputs() { return at::arange(60, at::kFloat).cos().view({12, 5}); }

TEST("data parallel: ranks with a part of the batch get the gradients of the whole one") {
  const at::AutoGradMode with_grad(true);
  Network whole;
  whole.loss(inputs()).backward();
  for (const int world_size : {2, 3}) {
    for (const int64_t bucket_bytes : {int64_t{1}, GradientAverager::kBucketBytes}) {
      on_ranks(world_size, [&](std::shared_ptr<ProcessGroup> group) {
        const at::AutoGradMode with_grad(true);
        Network network;
        require_equal_parameters(*group, network.parameters());
        GradientAverager averager(group, network.parameters(), bucket_bytes);
        const auto part = inputs().chunk(world_size)[group->rank()];
        averager.begin();
        network.loss(part).backward();
        averager.finish();
        // Sums of another order: float32's last digits.
        expect_close(network.first.grad(), whole.first.grad(), 1e-6, "first");
        expect_close(network.second.grad(), whole.second.grad(), 1e-6, "second");
        expect(!network.unused.grad().defined(), "a parameter that no rank used");
      });
    }
  }
}

TEST("data parallel: only the last of several passes is sent, with the sum of all") {
  const at::AutoGradMode with_grad(true);
  Network whole;
  for (const auto& part : inputs().chunk(4)) (whole.loss(part) / 4).backward();
  on_ranks(2, [&](std::shared_ptr<ProcessGroup> group) {
    const at::AutoGradMode with_grad(true);
    Network network;
    GradientAverager averager(group, network.parameters());
    for (int step = 0; step < 2; ++step) {
      for (const auto& [name, parameter] : network.parameters()) parameter.mutable_grad().reset();
      const auto parts = inputs().chunk(4);
      (network.loss(parts[2 * group->rank()]) / 2).backward();
      averager.begin();
      (network.loss(parts[2 * group->rank() + 1]) / 2).backward();
      averager.finish();
      expect_close(network.first.grad(), whole.first.grad(), 1e-6, "first");
      expect_close(network.second.grad(), whole.second.grad(), 1e-6, "second");
    }
  });
}

TEST("data parallel: a parameter that one rank did not use counts as zero there") {
  on_ranks(2, [&](std::shared_ptr<ProcessGroup> group) {
    const at::AutoGradMode with_grad(true);
    Network alone;
    alone.loss(inputs(), true).backward();
    Network network;
    GradientAverager averager(group, network.parameters());
    averager.begin();
    network.loss(inputs(), group->rank() == 0).backward();
    averager.finish();
    expect_close(network.second.grad(), alone.second.grad() / 2, 1e-6, "second");
  });
}

TEST("data parallel: ranks that start from other weights, names or shapes are told which") {
  const auto expect_difference = [](const std::function<void(Network&, int)>& change,
                                    const std::string& named) {
    on_ranks(2, [&](std::shared_ptr<ProcessGroup> group) {
      Network network;
      change(network, group->rank());
      try {
        require_equal_parameters(*group, network.parameters());
      } catch (const Error& error) {
        expect(error.code() == "ERR_PROCESS_GROUP", error.code());
        expect(std::string(error.what()).find(named) != std::string::npos, error.what());
        return;
      }
      throw std::runtime_error("nothing was thrown");
    });
  };
  expect_difference(
      [](Network& network, int rank) {
        if (rank == 1) network.second = network.second.detach() * 1.000001;
      },
      "'second'");
  expect_difference(
      [](Network& network, int rank) {
        if (rank == 1) network.unused = at::ones({8});
      },
      "'unused'");
}

TEST("process group: sums, minima and maxima are the same on every rank") {
  on_ranks(3, [](std::shared_ptr<ProcessGroup> group) {
    auto numbers = at::tensor({group->rank() + 0.5, 1.0}, at::kDouble);
    group->reduce(numbers);
    expect(numbers.equal(at::tensor({4.5, 3.0}, at::kDouble)), "sum");
    auto low = at::tensor({group->rank()}, at::kLong);
    auto high = low.clone();
    group->reduce(low, Reduction::kMin);
    group->reduce(high, Reduction::kMax);
    expect(low[0].item<int64_t>() == 0 && high[0].item<int64_t>() == 2, "extremes");
  });
}

TEST("process group: one process alone needs no network") {
  ProcessGroup group(options_of(0, 1, 1));
  auto numbers = at::ones({2});
  group.reduce(numbers);
  group.barrier();
  expect(numbers.equal(at::ones({2})), "unchanged");
}

TEST("process group: a rank that fails ends the others with its reason") {
  std::string caught;
  on_ranks(1, [](std::shared_ptr<ProcessGroup>) {});
  const uint16_t port = next_port();
  std::thread failing([&] {
    ProcessGroup group(options_of(1, 2, port));
    group.fail("ERR_NON_FINITE: the loss of step 3 is NaN");
  });
  try {
    ProcessGroup group(options_of(0, 2, port));
    group.barrier();
  } catch (const Error& error) {
    caught = error.code() + std::string(" ") + error.what();
  }
  failing.join();
  expect(caught.find("ERR_PROCESS_GROUP") == 0, caught);
  expect(caught.find("rank 1 (process ") != std::string::npos, caught);
  expect(caught.find("ERR_NON_FINITE: the loss of step 3 is NaN") != std::string::npos, caught);
}

TEST("process group: who does not come, a taken port and a taken rank are named") {
  const auto message_of = [](const ProcessGroupOptions& options) -> std::string {
    try {
      ProcessGroup group(options);
    } catch (const Error& error) {
      expect(error.code() == "ERR_PROCESS_GROUP", error.code());
      return error.what();
    }
    throw std::runtime_error("nothing was thrown");
  };
  const auto contains = [](const std::string& text, const std::string& part) {
    expect(text.find(part) != std::string::npos, text);
  };
  auto alone = options_of(0, 3, next_port());
  alone.timeout = std::chrono::milliseconds(300);
  contains(message_of(alone), "rank 1, rank 2 did not come");

  auto lost = options_of(1, 2, next_port());
  lost.timeout = std::chrono::milliseconds(300);
  contains(message_of(lost), "nobody answers at 127.0.0.1:");

  const uint16_t port = next_port();
  std::thread other([&] {
    auto options = options_of(0, 2, port);
    options.timeout = std::chrono::milliseconds(4000);
    contains(message_of(options), "did not come");
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(1000));
  auto second = options_of(0, 2, port);
  contains(message_of(second), "port is taken");
  auto same = options_of(0, 2, port);
  same.hosts_store = false;
  contains(message_of(same), "rank 0 is taken by another process");
  other.join();
}

TEST("process group: a cancelled thread stops waiting, and the others hear of it") {
  const uint16_t port = next_port();
  std::string heard;
  std::thread other([&] {
    ProcessGroup group(options_of(1, 2, port));
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    try {
      group.barrier();
      group.barrier();
    } catch (const Error& error) {
      heard = error.what();
    }
  });
  CancelToken token;
  bool cancelled = false;
  {
    ProcessGroup group(options_of(0, 2, port));
    std::thread clock([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      token.cancel();
    });
    const CancelScope scope(&token);
    try {
      group.barrier();
    } catch (const Cancelled&) {
      cancelled = true;
    }
    clock.join();
    expect_error("ERR_PROCESS_GROUP", [&] { group.barrier(); });
    other.join();
  }
  expect(cancelled, "cancelled");
  expect(heard.find("rank 0") != std::string::npos, heard);
}

TEST("process group: nobody is waited for by a cancelled thread") {
  CancelToken token;
  token.cancel();
  const CancelScope scope(&token);
  for (const int rank : {0, 1}) {
    try {
      ProcessGroup group(options_of(rank, 2, next_port()));
    } catch (const Cancelled&) {
      continue;
    }
    throw std::runtime_error("expected Cancelled");
  }
}

TEST("process group: impossible ranks and backends are named") {
  expect_error("ERR_INVALID_ARG", [] { ProcessGroup group(options_of(2, 2, 1)); });
  expect_error("ERR_INVALID_ARG", [] { ProcessGroup group(options_of(0, 0, 1)); });
}

}  // namespace latentray::test::data_parallel_test
