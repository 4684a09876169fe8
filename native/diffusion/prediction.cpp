#include "diffusion/prediction.h"

#include <ATen/ATen.h>

#include <cmath>

namespace latentray {

PredictionType read_prediction_type(ConfigReader& config, const std::vector<std::string>& allowed) {
  const std::string name = config.choice("prediction_type", "epsilon", allowed);
  if (name == "epsilon") return PredictionType::kEpsilon;
  return name == "v_prediction" ? PredictionType::kVPrediction : PredictionType::kSample;
}

at::Tensor predict_x0(PredictionType type, const at::Tensor& model_output, const at::Tensor& sample,
                      float alpha, float sigma) {
  switch (type) {
    case PredictionType::kEpsilon:
      return (sample - sigma * model_output) / alpha;
    case PredictionType::kVPrediction:
      return alpha * sample - sigma * model_output;
    case PredictionType::kSample:
      break;
  }
  return model_output;
}

at::Tensor predict_epsilon(PredictionType type, const at::Tensor& model_output,
                           const at::Tensor& sample, float alpha, float sigma) {
  switch (type) {
    case PredictionType::kVPrediction:
      return alpha * model_output + sigma * sample;
    case PredictionType::kSample:
      return (sample - alpha * model_output) / sigma;
    case PredictionType::kEpsilon:
      break;
  }
  return model_output;
}

at::Tensor predict_x0_at_sigma(PredictionType type, const at::Tensor& model_output,
                               const at::Tensor& sample, float sigma) {
  const float variance = sigma * sigma + 1;
  switch (type) {
    case PredictionType::kEpsilon:
      return sample - sigma * model_output;
    case PredictionType::kVPrediction:
      return model_output * (-sigma / std::sqrt(variance)) + sample / variance;
    case PredictionType::kSample:
      break;
  }
  return model_output;
}

void SampleLimits::read_thresholding(ConfigReader& config) {
  thresholding = config.boolean("thresholding", false);
  dynamic_thresholding_ratio = config.number("dynamic_thresholding_ratio", 0.995);
  if (!(dynamic_thresholding_ratio >= 0 && dynamic_thresholding_ratio <= 1)) {
    config.reject("dynamic_thresholding_ratio", "a number from 0 to 1");
  }
}

at::Tensor SampleLimits::apply(const at::Tensor& x0) const {
  if (!thresholding) {
    return clip_sample ? x0.clamp(-clip_sample_range, clip_sample_range) : x0;
  }
  const bool half = at::isReducedFloatingType(x0.scalar_type());
  const auto rows = (half ? x0.to(at::kFloat) : x0).flatten(1);  // [N, C·H·W]
  const auto bound = at::quantile(rows.abs(), dynamic_thresholding_ratio, 1)
                         .clamp(1, sample_max_value)
                         .unsqueeze(1);  // [N, 1]
  const auto limited = at::clamp(rows, -bound, bound) / bound;
  return limited.reshape(x0.sizes()).to(x0.scalar_type());  // [N, C, H, W]
}

}  // namespace latentray
