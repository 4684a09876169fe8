// The schedulers by name: diffusers' class names, and the short names that users type.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/config.h"
#include "diffusion/config_reader.h"
#include "diffusion/scheduler.h"

namespace latentray {

struct SchedulerClass {
  const char* name;  // diffusers' `_class_name`
  std::unique_ptr<Scheduler> (*make)(ConfigReader& config);
};

// ERR_CONFIG_INVALID, listing the known ones, for an unknown class.
const SchedulerClass& find_scheduler_class(const std::string& class_name);

// What a name stands for: the class, and the config keys that it sets.
struct SchedulerName {
  std::string class_name;
  nlohmann::json overrides;
};

// `name`: a class name, or a short name, with `_karras` behind it where the class has Karras
// sigmas. ERR_CONFIG_INVALID, listing the known ones, for an unknown name.
SchedulerName resolve_scheduler_name(const std::string& name);

// Every short name, the `_karras` ones included, then every class name.
std::vector<std::string> scheduler_names();

// The config of `name` for a pipeline whose scheduler has the config `base`: shared keys are kept,
// the name's own keys and then `overrides` go over them. `base` is Scheduler::given_config() or a
// published scheduler_config.json; diffusers' from_config drops defaults that no one chose in the
// same way.
Config switch_scheduler(const nlohmann::json& base, const std::string& name,
                        const nlohmann::json& overrides = nlohmann::json::object());

}  // namespace latentray
