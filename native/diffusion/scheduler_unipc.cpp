#include "diffusion/scheduler_unipc.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "diffusion/float32_math.h"

namespace latentray {

namespace {

constexpr int64_t kMostOrders = 10;  // the factorials and powers stay exact in float32

at::Tensor weighted_sum(const std::vector<float>& weights, const std::vector<at::Tensor>& terms) {
  auto sum = weights[0] * terms[0];
  for (size_t i = 1; i < terms.size(); ++i) sum = sum + weights[i] * terms[i];
  return sum;
}

}  // namespace

// The quantities of algorithms 1 and 2.
struct UniPcScheduler::Update {
  at::Tensor base;                      // the first-order step
  float weight;                         // of the sum of the differences
  std::vector<at::Tensor> differences;  // D1 of the outputs before the newest, order − 1 of them
  std::vector<float> rs;                // r_1 … r_(order − 1), and 1
  float hh;                             // the step in λ, negative in terms of x0
  float b_h;

  // The first `count` equations of R ρ = b, solved.
  std::vector<float> rhos(size_t count) const;
};

std::vector<float> UniPcScheduler::Update::rhos(size_t count) const {
  std::vector<at::Tensor> rows;
  std::vector<float> b;
  const auto r = at::tensor(rs).slice(0, 0, static_cast<int64_t>(count));
  float h_phi = torch_expm1(hh) / hh - 1;
  float factorial = 1;
  for (size_t k = 1; k <= count; ++k) {
    rows.push_back(r.pow(static_cast<int64_t>(k - 1)));
    b.push_back(h_phi * factorial / b_h);
    factorial *= static_cast<float>(k + 1);
    h_phi = h_phi / hh - 1 / factorial;
  }
  const auto solution = at::linalg_solve(at::stack(rows), at::tensor(b));
  const float* data = solution.const_data_ptr<float>();
  return {data, data + count};
}

UniPcScheduler::UniPcScheduler(ConfigReader& config) {
  auto schedule = NoiseScheduleOptions::from_config(config, {});
  solver_order_ = read_solver_order(config, kMostOrders);
  prediction_type_ = read_prediction_type(config);
  limits_.read_thresholding(config);
  limits_.sample_max_value = config.number("sample_max_value", 1.0);
  predict_x0_ = config.boolean("predict_x0", true);
  bh1_ = config.choice("solver_type", "bh2", {"bh1", "bh2"},
                       {{"midpoint", "bh2"}, {"heun", "bh2"}, {"logrho", "bh2"}}) == "bh1";
  lower_order_final_ = config.boolean("lower_order_final", true);
  disable_corrector_ = config.integers("disable_corrector");
  config.only("solver_p", nullptr);
  sigma_spacing_ = read_sigma_spacing(config);
  reject_flow_sigmas(config);
  timestep_spacing_ = read_timestep_spacing(config, "linspace");
  steps_offset_ = read_steps_offset(config);
  final_sigma_ = read_final_sigma(config);
  schedule.rescale_betas_zero_snr = config.boolean("rescale_betas_zero_snr", false);
  reject_dynamic_shifting(config);
  sigma_min_ = config.optional_number("sigma_min");
  sigma_max_ = config.optional_number("sigma_max");
  config.only("shift_terminal", nullptr);

  if (!lower_order_final_ && solver_order_ > 1 && final_sigma_ == FinalSigma::kZero) {
    config.reject("final_sigmas_type",
                  "'sigma_min' where lower_order_final is false (λ is infinite without noise)");
  }
  set_noise_schedule(schedule);
}

void UniPcScheduler::plan(int64_t steps) { plan_levels(whole_timesteps(steps), steps); }

void UniPcScheduler::forget() {
  outputs_.clear();
  step_sample_.reset();
}

double UniPcScheduler::final_sigma(double last) const {
  if (final_sigma_ == FinalSigma::kZero) return 0;
  return sigma_spacing_ == SigmaSpacing::kTimesteps ? table_.smallest() : last;
}

at::Tensor UniPcScheduler::convert(const at::Tensor& model_output, size_t index,
                                   const at::Tensor& sample) const {
  if (predict_x0_) return limits_.apply(x0(model_output, index, sample));
  return epsilon(model_output, index, sample);
}

UniPcScheduler::Update UniPcScheduler::update_to(size_t target, size_t order) const {
  const auto& to = level(target);
  const auto& from = level(target - 1);
  const float h = to.lambda - from.lambda;
  Update update;
  update.hh = predict_x0_ ? -h : h;
  const float h_phi_1 = torch_expm1(update.hh);
  update.b_h = bh1_ ? update.hh : h_phi_1;
  for (size_t i = 1; i < order; ++i) {
    const float r = (level(target - 1 - i).lambda - from.lambda) / h;
    update.rs.push_back(r);
    update.differences.push_back((outputs_[i] - outputs_[0]) / r);
  }
  update.rs.push_back(1);
  update.base = predict_x0_
                    ? to.sigma / from.sigma * step_sample_ - to.alpha * h_phi_1 * outputs_[0]
                    : to.alpha / from.alpha * step_sample_ - to.sigma * h_phi_1 * outputs_[0];
  update.weight = (predict_x0_ ? to.alpha : to.sigma) * update.b_h;
  return update;
}

at::Tensor UniPcScheduler::predict(size_t target, size_t order) const {
  const Update update = update_to(target, order);
  if (order == 1) return update.base;
  // Any ρ is of second order; the paper takes one half.
  const auto rhos = order == 2 ? std::vector<float>{0.5f} : update.rhos(order - 1);
  return update.base - update.weight * weighted_sum(rhos, update.differences);
}

at::Tensor UniPcScheduler::correct(size_t target, size_t order, const at::Tensor& output) const {
  Update update = update_to(target, order);
  const auto rhos = order == 1 ? std::vector<float>{0.5f} : update.rhos(order);
  update.differences.push_back(output - outputs_[0]);
  return update.base - update.weight * weighted_sum(rhos, update.differences);
}

at::Tensor UniPcScheduler::advance(const at::Tensor& model_output, size_t index,
                                   const at::Tensor& sample, const StepOptions&) {
  const auto output = convert(model_output, index, sample);
  const bool corrects = step_sample_.defined() &&
                        std::find(disable_corrector_.begin(), disable_corrector_.end(),
                                  static_cast<int64_t>(index) - 1) == disable_corrector_.end();
  step_sample_ = corrects ? correct(index, last_order_, output) : sample;

  outputs_.push_front(output);
  if (outputs_.size() > solver_order_) outputs_.pop_back();
  last_order_ = outputs_.size();
  if (lower_order_final_) last_order_ = std::min(last_order_, timesteps_.size() - index);
  return predict(index + 1, last_order_);
}

}  // namespace latentray
