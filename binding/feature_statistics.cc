#include "feature_statistics.h"

#include "arguments.h"
#include "job.h"
#include "metrics/frechet_distance.h"
#include "tensor.h"
#include "weights/safetensors.h"

namespace latentray::binding {

namespace {

using Statistics = std::shared_ptr<FeatureStatistics>;

constexpr const char* kLane = "cpu";
constexpr const char* kSource = "source";

struct Size {
  int64_t count;
  int64_t width;
  int64_t bytes;
};

Size size_of(const FeatureStatistics& statistics) {
  return {statistics.count(), statistics.width(), statistics.bytes()};
}

// Tells V8 the bytes, and JavaScript the rest.
Napi::Object size_to_js(Napi::Env env, const Statistics& statistics, Size size) {
  Environment::of(env).grew(env, statistics.get(), {.bytes = size.bytes});
  auto result = Napi::Object::New(env);
  result.Set("count", static_cast<double>(size.count));
  result.Set("width", static_cast<double>(size.width));
  return result;
}

// createFeatureStatistics()
Napi::Value create_statistics(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return FeatureStatisticsObject::create(info.Env(), std::make_shared<FeatureStatistics>());
  });
}

// addFeatures(statistics, features, token) → { count, width }
Napi::Value add_features(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Statistics statistics = FeatureStatisticsObject::payload_of(info[0]);
    return start_job(
        info.Env(), kLane, cancel_token_argument(info[2]),
        [statistics, features = tensor_argument(info[1])] {
          statistics->add(features);
          return size_of(*statistics);
        },
        [statistics](Napi::Env env, Size size) { return size_to_js(env, statistics, size); });
  });
}

// mergeFeatureStatistics(statistics, other, token) → { count, width }
Napi::Value merge_statistics(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Statistics statistics = FeatureStatisticsObject::payload_of(info[0]);
    return start_job(
        info.Env(), kLane, cancel_token_argument(info[2]),
        [statistics, other = FeatureStatisticsObject::payload_of(info[1])] {
          statistics->merge(FeatureStatistics(*other));
          return size_of(*statistics);
        },
        [statistics](Napi::Env env, Size size) { return size_to_js(env, statistics, size); });
  });
}

struct Moments {
  at::Tensor mean;
  at::Tensor covariance;
};

// featureMoments(statistics, token) → { mean, covariance }
Napi::Value feature_moments(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), kLane, cancel_token_argument(info[1]),
        [statistics = FeatureStatisticsObject::payload_of(info[0])] {
          return Moments{statistics->mean(), statistics->covariance()};
        },
        [](Napi::Env env, Moments moments) {
          auto result = Napi::Object::New(env);
          result.Set("mean", tensor_to_js(env, std::move(moments.mean)));
          result.Set("covariance", tensor_to_js(env, std::move(moments.covariance)));
          return result;
        });
  });
}

// saveFeatureStatistics(statistics, path, source, token)
Napi::Value save_statistics(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), kLane, cancel_token_argument(info[3]),
        [statistics = FeatureStatisticsObject::payload_of(info[0]),
         path = string_argument(info[1], "path"), source = string_argument(info[2], kSource)] {
          StateDict state = statistics->state();
          state.metadata[kSource] = source;
          write_safetensors(path, state);
          return true;
        },
        [](Napi::Env env, bool) { return env.Undefined(); });
  });
}

struct Loaded {
  Statistics statistics;
  std::string source;
};

// loadFeatureStatistics(path, token) → { statistics, count, width, source }
Napi::Value load_statistics(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), "io", cancel_token_argument(info[1]),
        [path = string_argument(info[0], "path")] {
          const StateDict state = read_safetensors(path);
          const auto source = state.metadata.find(kSource);
          return Loaded{std::make_shared<FeatureStatistics>(FeatureStatistics::of_state(state)),
                        source == state.metadata.end() ? std::string() : source->second};
        },
        [](Napi::Env env, const Loaded& loaded) {
          const auto handle = FeatureStatisticsObject::create(env, loaded.statistics);
          auto result = size_to_js(env, loaded.statistics, size_of(*loaded.statistics));
          result.Set("statistics", handle);
          result.Set(kSource, loaded.source);
          return result;
        });
  });
}

// frechetDistance(a, b, token)
Napi::Value frechet_distance_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), kLane, cancel_token_argument(info[2]),
        [a = FeatureStatisticsObject::payload_of(info[0]),
         b = FeatureStatisticsObject::payload_of(info[1])] { return frechet_distance(*a, *b); },
        [](Napi::Env env, double distance) { return Napi::Number::New(env, distance); });
  });
}

}  // namespace

Napi::Function FeatureStatisticsObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor("disposed", &FeatureStatisticsObject::disposed, nullptr),
                      InstanceMethod("dispose", &FeatureStatisticsObject::dispose)});
}

void FeatureStatisticsObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("createFeatureStatistics", Napi::Function::New<create_statistics>(env));
  exports.Set("addFeatures", Napi::Function::New<add_features>(env));
  exports.Set("mergeFeatureStatistics", Napi::Function::New<merge_statistics>(env));
  exports.Set("featureMoments", Napi::Function::New<feature_moments>(env));
  exports.Set("saveFeatureStatistics", Napi::Function::New<save_statistics>(env));
  exports.Set("loadFeatureStatistics", Napi::Function::New<load_statistics>(env));
  exports.Set("frechetDistance", Napi::Function::New<frechet_distance_job>(env));
}

}  // namespace latentray::binding
