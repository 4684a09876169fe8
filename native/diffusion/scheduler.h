// What every sampler of the field offers to the denoising loop. One file pair a scheduler; adding
// one means adding its files and one line in scheduler_registry.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/seeded_noise.h"
#include "diffusion/noise_schedule.h"
#include "diffusion/prediction.h"

namespace latentray {

// Per-call settings that diffusers passes to step().
struct StepOptions {
  double eta = 0;  // DDIM, TCD: 0 is deterministic, 1 is DDPM's variance
  NoiseSource* noise =
      nullptr;  // needed by stochastic schedulers; ERR_INVALID_ARG when absent there
};

// One object serves one run at a time, from one thread at a time. Steps are numbered by their index
// into timesteps(), so that no step looks a floating-point timestep up. The arithmetic of a
// schedule's scalars is float32 on the CPU, as in the reference; latents may be of any float dtype,
// on any device, and no step waits for the device.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // Builds the class that `_class_name` names, with every config key of that class. Keys that the
  // class does not have are ignored: that is how a pipeline changes its scheduler and keeps the
  // shared keys.
  static std::unique_ptr<Scheduler> create(const Config& config);

  // An independent scheduler of the same configuration, with no state of a run.
  std::unique_ptr<Scheduler> clone() const;

  // Chooses `steps` timesteps and forgets the history of an earlier run.
  void set_timesteps(int64_t steps);
  // The same for strictly descending timesteps of the caller's choice, whole numbers unless the
  // scheduler works on sigmas of any timestep. ERR_INVALID_ARG for classes without custom
  // timesteps.
  void set_timesteps(const std::vector<double>& custom);
  // The same for strictly descending noise levels, the final one (usually 0) included.
  void set_sigmas(const std::vector<double>& custom);

  // Descending timesteps of the run, float64 so that fractional ones (Euler, Karras) keep their
  // value; empty before set_timesteps().
  const std::vector<double>& timesteps() const { return timesteps_; }
  // The run's noise levels with the final one; empty for schedulers that have none.
  virtual std::vector<double> sigmas() const { return {}; }
  // The standard deviation that initial noise must have.
  virtual double init_noise_sigma() const { return 1.0; }
  // Model calls per step of set_timesteps(): Heun and KDPM2 list each timestep that the model sees,
  // two a step but for the last. A run that starts in the middle starts at a multiple of it.
  virtual int64_t order() const { return 1; }

  // sample [N, C, H, W] → what the model sees at the run's step `index`.
  at::Tensor scale_model_input(const at::Tensor& sample, size_t index) const;

  // One step back in time: model_output, sample [N, C, H, W] → previous sample, of sample's dtype.
  // A learned variance comes in model_output's second half, [N, 2C, H, W]. A run may start at any
  // index; schedulers that remember earlier steps then want the indices in order.
  at::Tensor step(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                  const StepOptions& options);

  // Forward process: noise `original` [N, …] to each row's timestep (N of them, or one for all).
  // They are training timesteps; once set_timesteps() ran, schedulers that have sigmas want the
  // run's own.
  at::Tensor add_noise(const at::Tensor& original, const at::Tensor& noise,
                       const std::vector<double>& timesteps) const;
  // The same at the run's step `index`: where image-to-image starts.
  at::Tensor add_noise_at(const at::Tensor& original, const at::Tensor& noise, size_t index) const;

  // v-prediction's target, sqrt(ᾱ)·noise − sqrt(1 − ᾱ)·sample, at integer training timesteps [N].
  at::Tensor velocity(const at::Tensor& sample, const at::Tensor& noise,
                      const std::vector<double>& timesteps) const;

  // The complete configuration, defaults filled in, in the order in which diffusers declares the
  // keys.
  const nlohmann::ordered_json& config() const { return config_; }
  // The configuration as create() received it: what another class is given when it takes over,
  // because a default of this class is not a choice of the user's.
  const nlohmann::json& given_config() const { return given_config_; }

  const NoiseSchedule& noise_schedule() const { return noise_schedule_; }
  PredictionType prediction_type() const { return prediction_type_; }

 protected:
  // Fills timesteps_ (and whatever else the class needs) for a run of `steps`.
  virtual void plan(int64_t steps) = 0;
  virtual void plan_timesteps(const std::vector<double>& custom);
  virtual void plan_sigmas(const std::vector<double>& custom);
  // Forgets what earlier steps left behind.
  virtual void forget() {}
  // Whether step() uses what earlier steps left behind.
  virtual bool remembers() const { return false; }
  // Whether the model predicts a variance beside the mean.
  virtual bool learns_variance() const { return false; }

  virtual at::Tensor scale(const at::Tensor& sample, size_t index) const { return sample; }
  virtual at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                             const StepOptions& options) = 0;
  virtual at::Tensor noise_to(const at::Tensor& original, const at::Tensor& noise,
                              const std::vector<double>& timesteps) const;
  virtual at::Tensor noise_to_index(const at::Tensor& original, const at::Tensor& noise,
                                    size_t index) const;

  // Standard normal noise of `like`'s shape, dtype and device.
  at::Tensor draw_noise(const StepOptions& options, const at::Tensor& like) const;
  // For the classes that look ᾱ up: every timestep of the run is one of the training timesteps, and
  // one that an epsilon-predicting model can start from.
  void require_training_timesteps() const;
  void require_whole_timesteps(const std::vector<double>& custom) const;
  int64_t timestep(size_t index) const { return static_cast<int64_t>(timesteps_[index]); }
  std::string class_name() const;

  NoiseSchedule noise_schedule_;
  PredictionType prediction_type_ = PredictionType::kEpsilon;
  std::vector<double> timesteps_;

 private:
  void begin_run(const std::function<void()>& plan_it);
  void require_index(const char* caller, size_t index) const;

  std::optional<size_t> last_index_;
  nlohmann::ordered_json config_;
  nlohmann::json given_config_;
};

}  // namespace latentray
