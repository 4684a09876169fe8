#include "weights.h"

#include "arguments.h"
#include "core/device.h"
#include "core/dtype.h"
#include "job.h"
#include "tensor.h"
#include "weights/checkpoint.h"
#include "weights/original_checkpoint.h"
#include "weights/safetensors.h"

namespace latentray::binding {

namespace {

Napi::Object state_to_js(Napi::Env env, const StateDict& state) {
  auto tensors = Napi::Object::New(env);
  for (const auto& [name, tensor] : state.tensors) {
    tensors.Set(name, TensorObject::create(env, tensor));
  }
  auto metadata = Napi::Object::New(env);
  for (const auto& [key, value] : state.metadata) metadata.Set(key, value);
  auto result = Napi::Object::New(env);
  result.Set("tensors", tensors);
  result.Set("metadata", metadata);
  return result;
}

// loadTensors(paths, dtype | null, device, token)
Napi::Value load_tensors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    std::optional<at::ScalarType> dtype;
    if (!is_absent(info[1])) dtype = parse_dtype(string_argument(info[1], "dtype"));
    return start_job(
        info.Env(), "io", cancel_token_argument(info[3]),
        [paths = strings_argument(info[0], "paths"), dtype,
         device = parse_device(string_argument(info[2], "device"))] {
          StateDict state = read_checkpoint(paths);
          for (auto& [name, tensor] : state.tensors) {
            const bool cast = dtype && tensor.is_floating_point();
            tensor = tensor.to(device, cast ? *dtype : tensor.scalar_type());
          }
          return state;
        },
        state_to_js);
  });
}

Part part_argument(const Napi::Value& value) {
  const std::string name = string_argument(value, "part");
  if (name == "unet") return Part::kUNet;
  return name == "vae" ? Part::kVae : Part::kTextEncoder;
}

std::optional<at::ScalarType> optional_dtype_argument(const Napi::Value& value) {
  if (is_absent(value)) return std::nullopt;
  return parse_dtype(string_argument(value, "dtype"));
}

bool write(const std::string& path, StateDict state, std::optional<at::ScalarType> dtype) {
  if (dtype) cast_floating(state, *dtype);
  state.metadata = {{"format", "pt"}};  // which transformers asks for
  write_safetensors(path, state);
  return true;
}

Napi::Value nothing_to_js(Napi::Env env, bool) { return env.Undefined(); }

// A part's config as text, and where it comes from.
Config config_argument(const Napi::Value& value) {
  const auto source = value.As<Napi::Object>();
  return Config::parse(string_argument(source.Get("config"), "config"),
                       string_argument(source.Get("origin"), "origin"));
}

// partFromOriginal(files, path, part, { config, origin }, dtype | null, ema | null, token): one
// part of an original checkpoint as a file of its own
Napi::Value part_from_original(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    OriginalOptions original;
    if (!is_absent(info[5])) original.ema = info[5].ToBoolean();
    return start_job(
        info.Env(), "io", cancel_token_argument(info[6]),
        [files = strings_argument(info[0], "files"), path = string_argument(info[1], "path"),
         part = part_argument(info[2]), config = config_argument(info[3]),
         dtype = optional_dtype_argument(info[4]), original] {
          return write(path, from_original(read_checkpoint(files), part, config, original), dtype);
        },
        nothing_to_js);
  });
}

// originalFromParts({ unet: files, vae: files, textEncoder: files }, path, the text encoder's
// { config, origin }, dtype | null, token)
Napi::Value original_from_parts(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto parts = info[0].As<Napi::Object>();
    const auto files = [&](const char* name) { return strings_argument(parts.Get(name), name); };
    return start_job(
        info.Env(), "io", cancel_token_argument(info[4]),
        [unet = files("unet"), vae = files("vae"), text_encoder = files("textEncoder"),
         path = string_argument(info[1], "path"), text_config = config_argument(info[2]),
         dtype = optional_dtype_argument(info[3])] {
          const auto whole = join_original(read_checkpoint(unet), read_checkpoint(vae),
                                           read_checkpoint(text_encoder), text_config);
          return write(path, whole, dtype);
        },
        nothing_to_js);
  });
}

// saveTensors(path, {name: tensor}, {key: text}, token)
Napi::Value save_tensors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    StateDict state;
    for (const auto& entry : info[1].As<Napi::Object>()) {
      state.tensors[entry.first.As<Napi::String>()] = tensor_argument(entry.second);
    }
    for (const auto& entry : info[2].As<Napi::Object>()) {
      state.metadata[entry.first.As<Napi::String>()] = string_argument(entry.second, "metadata");
    }
    return start_job(
        info.Env(), "io", cancel_token_argument(info[3]),
        [path = string_argument(info[0], "path"), state] {
          write_safetensors(path, state);
          return true;
        },
        nothing_to_js);
  });
}

}  // namespace

void export_weights(Napi::Env env, Napi::Object exports) {
  exports.Set("loadTensors", Napi::Function::New<load_tensors>(env));
  exports.Set("partFromOriginal", Napi::Function::New<part_from_original>(env));
  exports.Set("originalFromParts", Napi::Function::New<original_from_parts>(env));
  exports.Set("saveTensors", Napi::Function::New<save_tensors>(env));
}

}  // namespace latentray::binding
