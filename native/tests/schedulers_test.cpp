// Every scheduler against the reference's trajectories, step by step, and against misuse.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "diffusion/incomplete_beta.h"
#include "diffusion/scheduler.h"
#include "diffusion/scheduler_registry.h"
#include "tests/check.h"

using namespace latentray;
using namespace latentray::test;

namespace {

constexpr double kTolerance = 1e-6;  // of float32 trajectories

Config config_of(const std::string& json) { return Config::parse(json, "test"); }

// The reference writes -Infinity, which is not JSON, for a default: null stands for defaults.
std::string without_infinity(std::string json) {
  const std::string infinity = "-Infinity";
  for (size_t at; (at = json.find(infinity)) != std::string::npos;) {
    json.replace(at, infinity.size(), "null");
  }
  return json;
}

std::vector<std::string> golden_files() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(golden("schedulers"))) {
    paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

at::Tensor as_tensor(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

// The model that the reference trajectories were made with.
at::Tensor stand_in_model(const at::Tensor& input, double t, const at::Tensor& weight) {
  return (at::tanh(at::matmul(input.reshape({4, 16}), weight)) + 0.001 * t).reshape(input.sizes());
}

std::unique_ptr<Scheduler> make(const std::string& name, const nlohmann::json& keys = {}) {
  const auto overrides = keys.is_null() ? nlohmann::json::object() : keys;
  return Scheduler::create(switch_scheduler(nlohmann::json::object(), name, overrides));
}

at::Tensor run(Scheduler& scheduler, at::Tensor sample, const StepOptions& options,
               size_t from = 0) {
  for (size_t i = from; i < scheduler.timesteps().size(); ++i) {
    const auto output = at::tanh(scheduler.scale_model_input(sample, i));
    sample = scheduler.step(output, i, sample, options);
  }
  return sample;
}

void check_trajectory(Scheduler& scheduler, const StateDict& file, const std::string& name) {
  const auto& tensors = file.tensors;
  StepOptions options;
  options.eta = nlohmann::json::parse(file.metadata.at("step_kwargs")).value("eta", 0.0);
  NoiseSource noise({std::stoull(file.metadata.at("generator_seed"))});
  options.noise = &noise;

  const auto& trajectory = tensors.at("trajectory");
  auto sample = trajectory[0].unsqueeze(0);  // [1, 4, 4, 4]
  for (size_t i = 0; i < scheduler.timesteps().size(); ++i) {
    const std::string step = c10::str(name, ": step ", i);
    const auto row = static_cast<int64_t>(i);
    const auto input = scheduler.scale_model_input(sample, i);
    expect_close(input[0], tensors.at("scaled_inputs")[row], kTolerance, step + ": model input");
    const auto output = stand_in_model(input, scheduler.timesteps()[i], tensors.at("W"));
    sample = scheduler.step(output, i, sample, options);
    expect_close(sample[0], trajectory[row + 1], kTolerance, step);
  }
}

void check_golden(const std::string& path) {
  const auto name = std::filesystem::path(path).filename().string();
  const auto file = read_safetensors(path);
  const auto config = nlohmann::json::parse(without_infinity(file.metadata.at("config")));
  auto scheduler = Scheduler::create(config_of(config.dump()));
  scheduler->set_timesteps(std::stoll(file.metadata.at("steps")));

  const auto& tensors = file.tensors;
  expect_close(as_tensor(scheduler->timesteps()), tensors.at("timesteps"), kTolerance,
               name + ": timesteps");
  const auto sigmas = tensors.find("sigmas");
  expect(scheduler->sigmas().empty() == (sigmas == tensors.end()), name + ": has sigmas");
  if (sigmas != tensors.end()) {
    expect_close(as_tensor(scheduler->sigmas()), sigmas->second, kTolerance, name + ": sigmas");
  }
  const double init_noise_sigma = std::stod(file.metadata.at("init_noise_sigma"));
  expect(std::fabs(scheduler->init_noise_sigma() / init_noise_sigma - 1) <= kTolerance,
         name + ": init_noise_sigma");
  const auto& timesteps = scheduler->timesteps();
  expect_close(scheduler->add_noise(tensors.at("add_noise.x0"), tensors.at("add_noise.noise"),
                                    {timesteps[1], timesteps[3]}),
               tensors.at("add_noise.out"), kTolerance, name + ": add_noise");
  check_trajectory(*scheduler, file, name);

  for (const auto& [key, value] : config.items()) {
    if (key == "lambda_min_clipped") continue;
    expect(scheduler->config().at(key) == value, name + ": config key " + key);
  }
  expect(scheduler->config().size() == config.size(), name + ": no config keys of its own");
}

}  // namespace

TEST("schedulers: every reference trajectory, step by step") {
  const auto paths = golden_files();
  expect(paths.size() >= 50, "the golden folder is complete");
  for (const auto& path : paths) check_golden(path);
}
