// Every scheduler against the reference's trajectories, step by step, and against misuse.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "diffusion/incomplete_beta.h"
#include "diffusion/scheduler.h"
#include "diffusion/scheduler_registry.h"
#include "tests/check.h"

namespace latentray::test::schedulers_test {

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

std::unique_ptr<Scheduler> make(const std::string& name,
                                const nlohmann::json& keys = nlohmann::json::object()) {
  return Scheduler::create(switch_scheduler(nlohmann::json::object(), name, keys));
}

void expect_config_rejected(const std::string& name, const nlohmann::json& keys) {
  expect_error("ERR_CONFIG_INVALID", [&] { make(name, keys); });
}

// A whole run with a model of no meaning.
at::Tensor run(Scheduler& scheduler, at::Tensor sample, const StepOptions& options,
               size_t from = 0) {
  for (size_t i = from; i < scheduler.timesteps().size(); ++i) {
    const auto output = at::tanh(scheduler.scale_model_input(sample, i));
    sample = scheduler.step(output, i, sample, options);
  }
  return sample;
}

at::Tensor seeded(at::IntArrayRef shape, at::ScalarType dtype = at::kFloat) {
  return NoiseSource({7}).randn(shape, at::TensorOptions().dtype(dtype));
}

// The noise level σ = sqrt((1 − ᾱ) / ᾱ) at which the model is called.
double sigma_seen(const Scheduler& scheduler, const at::Tensor& sample, size_t index) {
  const auto input = scheduler.scale_model_input(sample, index);
  const double scale = (sample.norm() / input.norm()).item<double>();
  if (scale > 1) return std::sqrt(scale * scale - 1);
  if (!scheduler.sigmas().empty()) return scheduler.sigmas()[index];
  const double alpha_cumprod =
      scheduler.noise_schedule().alpha_cumprod(static_cast<int64_t>(scheduler.timesteps()[index]));
  return std::sqrt((1 - alpha_cumprod) / alpha_cumprod);
}

// What a model that knows the image x0 predicts for `sample`.
at::Tensor perfect_prediction(const Scheduler& scheduler, const at::Tensor& x0,
                              const at::Tensor& sample, size_t index) {
  const double sigma = sigma_seen(scheduler, sample, index);
  const double alpha = 1 / std::sqrt(sigma * sigma + 1);
  const bool exploding = scheduler.init_noise_sigma() > 1;
  const auto epsilon = ((exploding ? sample : sample / alpha) - x0) / sigma;
  switch (scheduler.prediction_type()) {
    case PredictionType::kEpsilon:
      return epsilon;
    case PredictionType::kVPrediction:
      return alpha * epsilon - alpha * sigma * x0;
    default:
      return x0;
  }
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

TEST("schedulers: every reference trajectory, step by step") {
  const auto paths = golden_files();
  expect(paths.size() >= 50, "the golden folder is complete");
  for (const auto& path : paths) check_golden(path);
}

TEST("schedulers: a model that knows the image brings every deterministic solver to it") {
  const auto x0 = seeded({1, 4, 8, 8}, at::kDouble);
  for (const std::string name :
       {"ddim", "euler", "lms", "heun", "kdpm2", "dpmpp_2m", "dpmpp_3m", "dpmpp_2s", "unipc"}) {
    for (const char* prediction : {"epsilon", "v_prediction", "sample"}) {
      if (name == "kdpm2" && std::string(prediction) == "sample") continue;
      for (const char* spacing :
           {"", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"}) {
        nlohmann::json keys{{"prediction_type", prediction}, {"clip_sample", false}};
        if (*spacing) keys[spacing] = true;
        auto scheduler = make(name, keys);
        scheduler->set_timesteps(12);
        auto sample = seeded({1, 4, 8, 8}, at::kDouble).flip(3) * scheduler->init_noise_sigma();
        for (size_t i = 0; i < scheduler->timesteps().size(); ++i) {
          sample = scheduler->step(perfect_prediction(*scheduler, x0, sample, i), i, sample, {});
        }
        expect_close(sample, x0, 1e-4, c10::str(name, " ", prediction, " ", spacing));
      }
    }
  }
}

TEST("schedulers: every name makes a scheduler that keeps dtype and forgets an earlier run") {
  for (const auto& name : scheduler_names()) {
    auto scheduler = make(name, {{"skip_prk_steps", true}});
    const auto copy = scheduler->clone();
    expect(copy->config() == scheduler->config(), name + ": clone");
    for (const auto dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}) {
      std::vector<at::Tensor> results;
      for (int repeat = 0; repeat < 2; ++repeat) {
        scheduler->set_timesteps(5);
        NoiseSource noise({3, 4});
        const auto start = seeded({2, 4, 4, 4}, dtype) * scheduler->init_noise_sigma();
        results.push_back(run(*scheduler, start, {0.5, &noise}));
      }
      expect(results[0].scalar_type() == dtype, name + ": dtype");
      expect(at::isfinite(results[0]).all().item<bool>(), name + ": finite");
      expect(at::equal(results[0], results[1]), name + ": the same again");
    }
  }
}

TEST("schedulers: names say their class and keys; unknown ones list the known ones") {
  const auto sde = resolve_scheduler_name("dpmpp_2m_sde_karras");
  expect(sde.class_name == "DPMSolverMultistepScheduler", "class");
  expect(sde.overrides.at("algorithm_type") == "sde-dpmsolver++", "algorithm");
  expect(sde.overrides.at("use_karras_sigmas") == true, "Karras sigmas");
  for (const char* unknown : {"euler_ancestral_karras", "dpm", "", "Euler"}) {
    try {
      resolve_scheduler_name(unknown);
      expect(false, std::string(unknown) + ": nothing was thrown");
    } catch (const Error& error) {
      expect(error.code() == "ERR_CONFIG_INVALID", "code");
      expect(std::string(error.what()).find("'dpmpp_2m_karras'") != std::string::npos, "list");
    }
  }
  expect_error("ERR_CONFIG_INVALID",
               [] { Scheduler::create(config_of(R"({"_class_name": "NoScheduler"})")); });
}

TEST("schedulers: another class takes over the shared keys and leaves the rest") {
  const auto pndm = Scheduler::create(config_of(
      R"({"_class_name": "PNDMScheduler", "steps_offset": 1, "skip_prk_steps": true,
          "beta_start": 0.00085, "_diffusers_version": "0.40.0", "of_no_class": 3})"));
  const auto ddim = Scheduler::create(switch_scheduler(pndm->given_config(), "ddim"));
  expect(ddim->config().at("_class_name") == "DDIMScheduler", "class");
  expect(ddim->config().at("steps_offset") == 1, "a shared key");
  expect(ddim->config().at("beta_start") == 0.00085, "a shared key");
  expect(ddim->config().at("set_alpha_to_one") == true, "a default of PNDM's is no choice");
  expect(!ddim->config().contains("skip_prk_steps"), "a key of PNDM alone");
  expect(!ddim->config().contains("of_no_class"), "a key of no class");
  const auto back = Scheduler::create(switch_scheduler(ddim->given_config(), "pndm"));
  expect(back->config() == pndm->config(), "there and back");
  const auto deis = make("deis", {{"algorithm_type", "dpmsolver++"}, {"solver_type", "midpoint"}});
  expect(deis->config().at("solver_type") == "logrho", "a sibling's value");
}

TEST("schedulers: the config comes complete, in diffusers' order") {
  const auto ancestral = make("euler_ancestral");
  std::string keys;
  for (const auto& [key, value] : ancestral->config().items()) keys += key + " ";
  expect(keys ==
             "_class_name num_train_timesteps beta_start beta_end beta_schedule trained_betas "
             "prediction_type timestep_spacing steps_offset rescale_betas_zero_snr ",
         keys);
  expect(make("dpmpp_2m")->config().at("lambda_min_clipped") ==
             -std::numeric_limits<double>::infinity(),
         "lambda_min_clipped");
}

TEST("schedulers: impossible configs are named") {
  expect_config_rejected("dpmpp_2m", {{"use_flow_sigmas", true}});
  expect_config_rejected("unipc", {{"use_dynamic_shifting", true}});
  expect_config_rejected("unipc", {{"solver_p", {{"_class_name", "DDIMScheduler"}}}});
  expect_config_rejected("unipc", {{"lower_order_final", false}});
  expect_config_rejected("euler", {{"use_karras_sigmas", true}, {"use_beta_sigmas", true}});
  expect_config_rejected("euler", {{"timestep_spacing", "even"}});
  expect_config_rejected("euler", {{"num_train_timesteps", 0}});
  expect_config_rejected("euler", {{"num_train_timesteps", 1'000'000'000'000}});
  expect_config_rejected("euler", {{"num_train_timesteps", "1000"}});
  expect_config_rejected("euler", {{"beta_start", -1}});
  expect_config_rejected("euler", {{"trained_betas", {0.1, 0.2}}});
  expect_config_rejected("euler", {{"num_train_timesteps", 2}, {"trained_betas", {0.5, 1.0}}});
  expect_config_rejected("euler", {{"prediction_type", "flow_prediction"}});
  expect_config_rejected("euler_ancestral", {{"prediction_type", "sample"}});
  expect_config_rejected("pndm", {{"prediction_type", "sample"}});
  expect_config_rejected("dpmpp_2m", {{"solver_order", 4}});
  expect_config_rejected("dpmpp_2m", {{"algorithm_type", "dpmsolver"}});
  expect_config_rejected("dpmpp_2m", {{"algorithm_type", "sde-dpmsolver"},
                                      {"final_sigmas_type", "sigma_min"},
                                      {"solver_order", 3}});
  expect_config_rejected("ddim", {{"dynamic_thresholding_ratio", 1.5}});
  expect_config_rejected("lcm", {{"original_inference_steps", 2000}});
}

TEST("schedulers: a run that cannot be is refused before it starts") {
  const auto refuse = [](const std::string& code, Scheduler& scheduler, int64_t steps) {
    expect_error(code, [&] { scheduler.set_timesteps(steps); });
    expect_error("ERR_INVALID_ARG", [&] { scheduler.scale_model_input(seeded({1, 4}), 0); });
  };
  for (const int64_t steps : {-1, 0, 1001}) refuse("ERR_INVALID_ARG", *make("euler"), steps);
  refuse("ERR_INVALID_ARG", *make("lcm"), 51);
  refuse("ERR_INVALID_ARG", *make("pndm"), 3);
  refuse("ERR_INVALID_ARG", *make("ddim", {{"steps_offset", 1}}), 1000);
  refuse("ERR_INVALID_ARG", *make("dpmpp_2m", {{"timestep_spacing", "leading"}}), 1000);
  refuse("ERR_CONFIG_INVALID", *make("dpmpp_2m", {{"lambda_min_clipped", 50}}), 10);
  const nlohmann::json zero_snr{{"rescale_betas_zero_snr", true}, {"timestep_spacing", "trailing"}};
  refuse("ERR_CONFIG_INVALID", *make("ddim", zero_snr), 10);
}

TEST("schedulers: timesteps and sigmas of the caller's choice") {
  const std::vector<double> chosen{999, 700, 300, 20};
  for (const char* name : {"ddpm", "euler", "heun", "dpmpp_2m", "dpmpp_2s", "lcm", "tcd"}) {
    auto scheduler = make(name);
    scheduler->set_timesteps(chosen);
    auto visited = scheduler->timesteps();
    visited.erase(std::unique(visited.begin(), visited.end()), visited.end());
    expect(visited == chosen, name);
    NoiseSource noise({1});
    run(*scheduler, seeded({1, 4, 4, 4}), {0.3, &noise});
  }
  auto euler = make("euler");
  euler->set_sigmas({14.6, 2.0, 0.5, 0});
  expect(euler->timesteps().size() == 3 && euler->sigmas().size() == 4, "sigmas");

  for (const char* name : {"ddim", "pndm", "lms", "euler_ancestral", "unipc", "deis", "kdpm2"}) {
    expect_error("ERR_INVALID_ARG", [&] { make(name)->set_timesteps(chosen); });
  }
  expect_error("ERR_INVALID_ARG", [] { make("heun")->set_sigmas({1, 0}); });
  expect_error("ERR_INVALID_ARG", [&] { make("euler_karras")->set_timesteps(chosen); });
  expect_error("ERR_INVALID_ARG", [&] { make("dpmpp_2m_karras")->set_timesteps(chosen); });
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const std::vector<double>& wrong : std::vector<std::vector<double>>{
           {}, {1000, 1}, {5, 5}, {1, 2}, {5, -1}, {nan, 1}, {900.5, 2}}) {
    expect_error("ERR_INVALID_ARG", [&] { make("ddpm")->set_timesteps(wrong); });
  }
}

TEST("schedulers: a step that cannot be is refused and leaves the run as it was") {
  auto scheduler = make("dpmpp_2m");
  const auto sample = seeded({1, 4, 4, 4});
  expect_error("ERR_INVALID_ARG", [&] { scheduler->step(sample, 0, sample, {}); });
  scheduler->set_timesteps(4);
  expect_error("ERR_INVALID_ARG", [&] { scheduler->step(sample, 4, sample, {}); });
  expect_error("ERR_SHAPE", [&] { scheduler->step(sample[0], 0, sample, {}); });
  expect_error("ERR_DTYPE", [&] { scheduler->step(sample.to(at::kLong), 0, sample, {}); });
  expect_error("ERR_DTYPE", [&] { scheduler->step(sample, 0, sample.to(at::kLong), {}); });
  scheduler->step(sample, 0, sample, {});
  expect_error("ERR_INVALID_ARG", [&] { scheduler->step(sample, 2, sample, {}); });
  expect_error("ERR_INVALID_ARG", [&] { scheduler->step(sample, 0, sample, {}); });
  scheduler->step(sample, 1, sample, {});

  for (const char* name : {"ddpm", "euler_ancestral", "dpmpp_2m_sde", "lcm"}) {
    auto stochastic = make(name);
    stochastic->set_timesteps(4);
    expect_error("ERR_INVALID_ARG", [&] { stochastic->step(sample, 0, sample, {}); });
  }
  for (const char* name : {"ddim", "tcd"}) {
    auto takes_eta = make(name);
    takes_eta->set_timesteps(4);
    expect_error("ERR_INVALID_ARG", [&] { takes_eta->step(sample, 0, sample, {0.5, nullptr}); });
    expect_error("ERR_INVALID_ARG", [&] { takes_eta->step(sample, 0, sample, {1.5, nullptr}); });
  }
  for (const char* name : {"heun", "kdpm2", "kdpm2_ancestral"}) {
    auto second_order = make(name);
    second_order->set_timesteps(4);
    expect(second_order->order() == 2, "order");
    expect_error("ERR_INVALID_ARG", [&] { second_order->step(sample, 1, sample, {}); });
  }
  auto runge_kutta = make("pndm");
  runge_kutta->set_timesteps(5);
  expect_error("ERR_INVALID_ARG", [&] { runge_kutta->step(sample, 4, sample, {}); });
}

TEST("schedulers: a learned variance comes in a second half of the channels") {
  const auto sample = seeded({1, 4, 4, 4});
  const auto output = seeded({1, 8, 4, 4}).abs();
  for (const char* name : {"ddpm", "dpmpp_2m", "dpmpp_2s"}) {
    auto scheduler = make(name, {{"variance_type", "learned_range"}});
    scheduler->set_timesteps(4);
    NoiseSource noise({1});
    expect_error("ERR_SHAPE", [&] { scheduler->step(sample, 0, sample, {0, &noise}); });
    expect(scheduler->step(output, 0, sample, {0, &noise}).sizes() == sample.sizes(), name);
  }
}

TEST("schedulers: runs may start in the middle, where add_noise_at leaves off") {
  const auto image = seeded({2, 4, 4, 4});
  const auto noise = image.flip(3).contiguous();
  for (const auto& name : scheduler_names()) {
    auto scheduler = make(name, {{"skip_prk_steps", true}});
    scheduler->set_timesteps(8);
    const auto start = static_cast<size_t>(3 * scheduler->order());
    const auto noisy = scheduler->add_noise_at(image, noise, start);
    expect_close(noisy, scheduler->add_noise(image, noise, {scheduler->timesteps()[start]}), 1e-7,
                 name);
    NoiseSource source({1, 2});
    const auto result = run(*scheduler, noisy, {0.2, &source}, start);
    expect(at::isfinite(result).all().item<bool>(), name + ": finite");
  }
}

TEST("schedulers: training noises to any training timestep and knows the velocity") {
  const auto image = seeded({2, 4, 4, 4});
  const auto noise = image.flip(3).contiguous();
  for (const auto& name : scheduler_names()) {
    const auto scheduler = make(name);
    const auto noisy = scheduler->add_noise(image, noise, {17, 801});
    const auto velocity = scheduler->velocity(image, noise, {17, 801});
    for (const int64_t row : {0, 1}) {
      const double alpha_cumprod = scheduler->noise_schedule().alpha_cumprod(row == 0 ? 17 : 801);
      const double alpha = std::sqrt(alpha_cumprod);
      const double sigma = std::sqrt(1 - alpha_cumprod);
      const auto mixed = alpha * image[row] + sigma * noise[row];
      const bool exploding = scheduler->init_noise_sigma() > 1;
      expect_close(noisy[row], exploding ? mixed / alpha : mixed, 1e-6, name + ": add_noise");
      expect_close(velocity[row], alpha * noise[row] - sigma * image[row], 1e-6, name);
    }
    expect_error("ERR_SHAPE", [&] { scheduler->add_noise(image, noise, {1, 2, 3}); });
    expect_error("ERR_SHAPE", [&] { scheduler->add_noise(image, noise[0], {1}); });
    expect_error("ERR_INVALID_ARG", [&] { scheduler->add_noise(image, noise, {1000}); });
    expect_error("ERR_INVALID_ARG", [&] { scheduler->add_noise(image, noise, {0.5}); });
  }
  auto euler = make("euler");
  euler->set_timesteps(10);
  expect_error("ERR_INVALID_ARG", [&] { euler->add_noise(image, noise, {17}); });
}

TEST("schedulers: quantiles of the beta distribution") {
  const auto close = [](double actual, double expected) {
    expect(std::fabs(actual - expected) <= 1e-13 * expected, c10::str(actual, " for ", expected));
  };
  const double pi = std::acos(-1.0);
  for (const double p : {1e-6, 0.01, 0.3, 0.5, 0.77, 0.999}) {
    const double sine = std::sin(pi * p / 2);
    close(beta_quantile(p, 0.5, 0.5), sine * sine);
    close(beta_quantile(p, 2, 1), std::sqrt(p));
    close(regularized_incomplete_beta(beta_quantile(p, 0.6, 0.6), 0.6, 0.6), p);
  }
  // scipy.stats.beta.ppf
  close(beta_quantile(0.05, 0.6, 0.6), 0.012554456873611399);
  close(beta_quantile(0.25, 0.6, 0.6), 0.17568037865269498);
  close(beta_quantile(0.9, 0.6, 0.6), 0.9604155944112192);
  expect(beta_quantile(0, 0.6, 0.6) == 0 && beta_quantile(1, 0.6, 0.6) == 1, "the ends");
}

}  // namespace latentray::test::schedulers_test
