// The handle of a mean and a covariance that features are added to.
#pragma once

#include <napi.h>

#include "metrics/feature_statistics.h"
#include "object.h"

namespace latentray::binding {

// Everything that reads or changes statistics runs in the CPU's queue, one job after the other.
class FeatureStatisticsObject
    : public Object<FeatureStatisticsObject, std::shared_ptr<FeatureStatistics>> {
 public:
  static constexpr const char* kName = "FeatureStatistics";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  // They have no width before the first features, which make them grow.
  static int64_t bytes_of(const std::shared_ptr<FeatureStatistics>&) { return 0; }
  static const void* grower_of(const std::shared_ptr<FeatureStatistics>& statistics) {
    return statistics.get();
  }
  static void export_functions(Napi::Env env, Napi::Object exports);
};

}  // namespace latentray::binding
