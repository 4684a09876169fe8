#include "diffusion/scheduler.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "diffusion/config_reader.h"
#include "diffusion/scheduler_registry.h"

namespace latentray {

namespace {

void require_strictly_descending(const char* what, const std::vector<double>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    LATENTRAY_CHECK(std::isfinite(values[i]) && values[i] >= 0, "ERR_INVALID_ARG", what, "[", i,
                    "]: expected a number that is 0 or more, received ", values[i]);
    LATENTRAY_CHECK(i == 0 || values[i] < values[i - 1], "ERR_INVALID_ARG", what, "[", i,
                    "]: expected less than ", values[i - 1], " (descending), received ", values[i]);
  }
}

void require_same_shape(const char* name, const at::Tensor& tensor, const at::Tensor& sample,
                        int64_t channel_factor = 1) {
  LATENTRAY_CHECK(at::isFloatingType(sample.scalar_type()), "ERR_DTYPE",
                  "sample: expected a float dtype, received ", sample.scalar_type());
  LATENTRAY_CHECK(at::isFloatingType(tensor.scalar_type()), "ERR_DTYPE", name,
                  ": expected a float dtype, received ", tensor.scalar_type());
  LATENTRAY_CHECK(tensor.device() == sample.device(), "ERR_INVALID_ARG", name, ": expected on ",
                  sample.device(), " as the sample, received on ", tensor.device());
  auto expected = sample.sizes().vec();
  if (channel_factor != 1) {
    LATENTRAY_CHECK(expected.size() > 1, "ERR_SHAPE", "sample: expected [N, C, …], received ",
                    sample.sizes());
    expected[1] *= channel_factor;
  }
  LATENTRAY_CHECK(tensor.sizes() == at::IntArrayRef(expected), "ERR_SHAPE", name,
                  ": expected shape ", at::IntArrayRef(expected), ", received ", tensor.sizes());
}

void require_one_a_row(const at::Tensor& original, const std::vector<double>& timesteps) {
  const int64_t rows = original.dim() == 0 ? 1 : original.size(0);
  const auto count = static_cast<int64_t>(timesteps.size());
  LATENTRAY_CHECK(count == rows || count == 1, "ERR_SHAPE",
                  "timesteps: expected one, or one for each of the ", rows, " rows, received ",
                  count);
}

}  // namespace

std::unique_ptr<Scheduler> Scheduler::create(const Config& config) {
  const SchedulerClass& found = find_scheduler_class(config.string("_class_name", ""));
  ConfigReader reader(config, found.name);
  auto scheduler = found.make(reader);
  scheduler->config_ = reader.take();
  scheduler->given_config_ = config.json();
  return scheduler;
}

std::unique_ptr<Scheduler> Scheduler::clone() const {
  return create(Config::parse(given_config_.dump(), class_name()));
}

std::string Scheduler::class_name() const { return config_.at("_class_name").get<std::string>(); }

void Scheduler::begin_run(const std::function<void()>& plan_it) {
  timesteps_.clear();
  last_index_.reset();
  forget();
  try {
    plan_it();
  } catch (...) {
    timesteps_.clear();  // no half-planned run
    throw;
  }
}

void Scheduler::set_timesteps(int64_t steps) {
  const int64_t most = noise_schedule_.num_train_timesteps();
  LATENTRAY_CHECK(steps >= 1 && steps <= most, "ERR_INVALID_ARG", class_name(),
                  ": steps: expected 1 to ", most, " (num_train_timesteps), received ", steps);
  begin_run([&] { plan(steps); });
}

void Scheduler::set_timesteps(const std::vector<double>& custom) {
  LATENTRAY_CHECK(!custom.empty(), "ERR_INVALID_ARG", "timesteps: expected at least one");
  require_strictly_descending("timesteps", custom);
  const int64_t end = noise_schedule_.num_train_timesteps();
  LATENTRAY_CHECK(custom.front() < static_cast<double>(end), "ERR_INVALID_ARG",
                  "timesteps[0]: expected less than ", end, " (num_train_timesteps), received ",
                  custom.front());
  begin_run([&] { plan_timesteps(custom); });
}

void Scheduler::set_sigmas(const std::vector<double>& custom) {
  LATENTRAY_CHECK(custom.size() >= 2, "ERR_INVALID_ARG",
                  "sigmas: expected at least one and the final one, received ", custom.size());
  require_strictly_descending("sigmas", custom);
  begin_run([&] { plan_sigmas(custom); });
}

void Scheduler::plan_timesteps(const std::vector<double>&) {
  throw Error("ERR_INVALID_ARG",
              class_name() + ": takes a number of steps, not timesteps of the caller's choice");
}

void Scheduler::plan_sigmas(const std::vector<double>&) {
  throw Error("ERR_INVALID_ARG", class_name() + ": takes no sigmas of the caller's choice");
}

void Scheduler::require_index(const char* caller, size_t index) const {
  LATENTRAY_CHECK(!timesteps_.empty(), "ERR_INVALID_ARG", caller,
                  ": no timesteps are chosen; call set_timesteps first");
  LATENTRAY_CHECK(index < timesteps_.size(), "ERR_INVALID_ARG", caller, ": index: expected 0 to ",
                  timesteps_.size() - 1, ", received ", index);
}

at::Tensor Scheduler::scale_model_input(const at::Tensor& sample, size_t index) const {
  require_index("scale_model_input", index);
  return scale(sample, index);
}

at::Tensor Scheduler::step(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                           const StepOptions& options) {
  require_index("step", index);
  require_same_shape("model output", model_output, sample, learns_variance() ? 2 : 1);
  if (remembers() && last_index_) {
    LATENTRAY_CHECK(index == *last_index_ + 1, "ERR_INVALID_ARG", "step: ", class_name(),
                    " remembers earlier steps; expected index ", *last_index_ + 1, ", received ",
                    index);
  }
  const auto previous = advance(model_output, index, sample, options);
  last_index_ = index;
  return previous.to(sample.scalar_type());
}

at::Tensor Scheduler::add_noise(const at::Tensor& original, const at::Tensor& noise,
                                const std::vector<double>& timesteps) const {
  require_same_shape("noise", noise, original);
  require_one_a_row(original, timesteps);
  return noise_to(original, noise, timesteps);
}

at::Tensor Scheduler::add_noise_at(const at::Tensor& original, const at::Tensor& noise,
                                   size_t index) const {
  require_index("add_noise_at", index);
  require_same_shape("noise", noise, original);
  return noise_to_index(original, noise, index);
}

at::Tensor Scheduler::noise_to(const at::Tensor& original, const at::Tensor& noise,
                               const std::vector<double>& timesteps) const {
  return noise_schedule_.add_noise(original, noise, timesteps);
}

at::Tensor Scheduler::noise_to_index(const at::Tensor& original, const at::Tensor& noise,
                                     size_t index) const {
  return noise_to(original, noise, {timesteps_[index]});
}

at::Tensor Scheduler::velocity(const at::Tensor& sample, const at::Tensor& noise,
                               const std::vector<double>& timesteps) const {
  require_same_shape("noise", noise, sample);
  require_one_a_row(sample, timesteps);
  return noise_schedule_.velocity(sample, noise, timesteps);
}

at::Tensor Scheduler::draw_noise(const StepOptions& options, const at::Tensor& like) const {
  LATENTRAY_CHECK(options.noise != nullptr, "ERR_INVALID_ARG", "step: ", class_name(),
                  " draws noise here; expected a noise source, received none");
  return options.noise->randn(like.sizes(), like.options());
}

void Scheduler::require_whole_timesteps(const std::vector<double>& custom) const {
  for (const double t : custom) {
    LATENTRAY_CHECK(t == std::floor(t), "ERR_INVALID_ARG", class_name(),
                    ": timesteps: expected whole numbers, received ", t);
  }
}

void Scheduler::require_training_timesteps() const {
  const double end = static_cast<double>(noise_schedule_.num_train_timesteps());
  for (const double t : timesteps_) {
    LATENTRAY_CHECK(t >= 0 && t < end, "ERR_INVALID_ARG", class_name(), ": timestep ", t,
                    " lies outside the ", end,
                    " training timesteps; choose fewer steps or another steps_offset");
  }
  LATENTRAY_CHECK(
      prediction_type_ != PredictionType::kEpsilon ||
          noise_schedule_.alpha_cumprod(timestep(0)) > 0,
      "ERR_CONFIG_INVALID", class_name(),
      ": 'rescale_betas_zero_snr': the run starts from pure noise, of which an epsilon prediction "
      "says nothing; expected prediction_type 'v_prediction' or 'sample'");
}

}  // namespace latentray
