#include "diffusion/scheduler_registry.h"

#include <algorithm>
#include <array>

#include "diffusion/scheduler_ddim.h"
#include "diffusion/scheduler_ddpm.h"
#include "diffusion/scheduler_deis.h"
#include "diffusion/scheduler_dpm_multistep.h"
#include "diffusion/scheduler_dpm_singlestep.h"
#include "diffusion/scheduler_euler.h"
#include "diffusion/scheduler_euler_ancestral.h"
#include "diffusion/scheduler_heun.h"
#include "diffusion/scheduler_kdpm2.h"
#include "diffusion/scheduler_kdpm2_ancestral.h"
#include "diffusion/scheduler_lcm.h"
#include "diffusion/scheduler_lms.h"
#include "diffusion/scheduler_pndm.h"
#include "diffusion/scheduler_tcd.h"
#include "diffusion/scheduler_unipc.h"

namespace latentray {

namespace {

template <class T>
std::unique_ptr<Scheduler> make(ConfigReader& config) {
  return std::make_unique<T>(config);
}

constexpr std::array kClasses = {
    SchedulerClass{"DDIMScheduler", make<DdimScheduler>},
    SchedulerClass{"DDPMScheduler", make<DdpmScheduler>},
    SchedulerClass{"DEISMultistepScheduler", make<DeisScheduler>},
    SchedulerClass{"DPMSolverMultistepScheduler", make<DpmMultistepScheduler>},
    SchedulerClass{"DPMSolverSinglestepScheduler", make<DpmSinglestepScheduler>},
    SchedulerClass{"EulerAncestralDiscreteScheduler", make<EulerAncestralScheduler>},
    SchedulerClass{"EulerDiscreteScheduler", make<EulerScheduler>},
    SchedulerClass{"HeunDiscreteScheduler", make<HeunScheduler>},
    SchedulerClass{"KDPM2AncestralDiscreteScheduler", make<Kdpm2AncestralScheduler>},
    SchedulerClass{"KDPM2DiscreteScheduler", make<Kdpm2Scheduler>},
    SchedulerClass{"LCMScheduler", make<LcmScheduler>},
    SchedulerClass{"LMSDiscreteScheduler", make<LmsScheduler>},
    SchedulerClass{"PNDMScheduler", make<PndmScheduler>},
    SchedulerClass{"TCDScheduler", make<TcdScheduler>},
    SchedulerClass{"UniPCMultistepScheduler", make<UniPcScheduler>},
};

struct ShortName {
  const char* name;
  const char* class_name;
  bool has_karras;
  const char* overrides = "{}";  // JSON
};

constexpr std::array kShortNames = {
    ShortName{"ddpm", "DDPMScheduler", false},
    ShortName{"ddim", "DDIMScheduler", false},
    ShortName{"pndm", "PNDMScheduler", false},
    ShortName{"lms", "LMSDiscreteScheduler", true},
    ShortName{"euler", "EulerDiscreteScheduler", true},
    ShortName{"euler_ancestral", "EulerAncestralDiscreteScheduler", false},
    ShortName{"heun", "HeunDiscreteScheduler", true},
    ShortName{"dpmpp_2m", "DPMSolverMultistepScheduler", true,
              R"({"algorithm_type": "dpmsolver++", "solver_order": 2})"},
    ShortName{"dpmpp_2m_sde", "DPMSolverMultistepScheduler", true,
              R"({"algorithm_type": "sde-dpmsolver++", "solver_order": 2})"},
    ShortName{"dpmpp_3m", "DPMSolverMultistepScheduler", true,
              R"({"algorithm_type": "dpmsolver++", "solver_order": 3})"},
    ShortName{"dpmpp_2s", "DPMSolverSinglestepScheduler", true,
              R"({"algorithm_type": "dpmsolver++", "solver_order": 2})"},
    ShortName{"unipc", "UniPCMultistepScheduler", true},
    ShortName{"kdpm2", "KDPM2DiscreteScheduler", true},
    ShortName{"kdpm2_ancestral", "KDPM2AncestralDiscreteScheduler", true},
    ShortName{"deis", "DEISMultistepScheduler", true},
    ShortName{"lcm", "LCMScheduler", false},
    ShortName{"tcd", "TCDScheduler", false},
};

constexpr const char* kKarrasSuffix = "_karras";
// Sigmas can be spaced in one way only.
constexpr const char* kKarrasOverrides =
    R"({"use_karras_sigmas": true, "use_exponential_sigmas": false, "use_beta_sigmas": false,
        "use_lu_lambdas": false})";

std::string listed(const std::vector<std::string>& names) {
  std::string list;
  for (const auto& name : names) list += (list.empty() ? "'" : ", '") + name + "'";
  return list;
}

std::vector<std::string> class_names() {
  std::vector<std::string> names;
  for (const auto& known : kClasses) names.emplace_back(known.name);
  return names;
}

}  // namespace

const SchedulerClass& find_scheduler_class(const std::string& class_name) {
  const auto found = std::find_if(kClasses.begin(), kClasses.end(),
                                  [&](const auto& known) { return class_name == known.name; });
  if (found == kClasses.end()) {
    throw Error("ERR_CONFIG_INVALID",
                c10::str("'_class_name': expected one of ", listed(class_names()), ", found '",
                         class_name, "'"),
                {{"key", "_class_name"}, {"found", class_name}});
  }
  return *found;
}

SchedulerName resolve_scheduler_name(const std::string& name) {
  for (const auto& known : kClasses) {
    if (name == known.name) return {name, nlohmann::json::object()};
  }
  for (const auto& known : kShortNames) {
    auto overrides = nlohmann::json::parse(known.overrides);
    if (name == known.name) return {known.class_name, std::move(overrides)};
    if (known.has_karras && name == std::string(known.name) + kKarrasSuffix) {
      overrides.update(nlohmann::json::parse(kKarrasOverrides));
      return {known.class_name, std::move(overrides)};
    }
  }
  throw Error(
      "ERR_CONFIG_INVALID",
      c10::str("scheduler: expected one of ", listed(scheduler_names()), ", found '", name, "'"),
      {{"key", "scheduler"}, {"found", name}});
}

std::vector<std::string> scheduler_names() {
  std::vector<std::string> names;
  for (const auto& known : kShortNames) {
    names.emplace_back(known.name);
    if (known.has_karras) names.push_back(std::string(known.name) + kKarrasSuffix);
  }
  const auto classes = class_names();
  names.insert(names.end(), classes.begin(), classes.end());
  return names;
}

Config switch_scheduler(const nlohmann::json& base, const std::string& name,
                        const nlohmann::json& overrides) {
  const SchedulerName resolved = resolve_scheduler_name(name);
  nlohmann::json config = base;
  config.update(resolved.overrides);
  config.update(overrides);
  config["_class_name"] = resolved.class_name;
  return Config::parse(config.dump(), name);
}

}  // namespace latentray
