#include "text_encoder.h"

#include "arguments.h"
#include "job.h"
#include "model_source.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

struct Output {
  TextEncoding encoding;
  std::optional<at::Tensor> skipped;
};

void set_optional(Napi::Object& object, const char* name, const std::optional<at::Tensor>& tensor) {
  if (tensor) object.Set(name, TensorObject::create(object.Env(), *tensor));
}

Napi::Value output_to_js(Napi::Env env, const Output& output) {
  auto result = Napi::Object::New(env);
  result.Set("lastHiddenState", TensorObject::create(env, output.encoding.last_hidden_state));
  const auto& states = output.encoding.hidden_states;
  auto hidden_states = Napi::Array::New(env, states.size());
  for (uint32_t i = 0; i < states.size(); ++i) {
    hidden_states.Set(i, TensorObject::create(env, states[i]));
  }
  result.Set("hiddenStates", hidden_states);
  set_optional(result, "poolerOutput", output.encoding.pooler_output);
  set_optional(result, "projection", output.encoding.projection);
  set_optional(result, "skipped", output.skipped);
  return result;
}

// loadTextEncoder(source, token)
Napi::Value load_text_encoder_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source] { return load_text_encoder(source.config(), source.state(), source.options); },
        [](Napi::Env env, std::shared_ptr<TextEncoder> model) {
          return TextEncoderObject::create(env, std::move(model));
        });
  });
}

// textEncoderForward(encoder, inputIds, attentionMask | null, { hiddenStates, skipLayers }, token)
Napi::Value text_encoder_forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = TextEncoderObject::payload_of(info[0]);
    const auto options = info[3].As<Napi::Object>();
    const auto skip =
        static_cast<int64_t>(number_argument(options.Get("skipLayers"), "skipLayers"));
    const bool wants_states = options.Get("hiddenStates").ToBoolean();
    TextInputs inputs{tensor_argument(info[1]), optional_tensor_argument(info[2]), std::nullopt,
                      wants_states || skip > 0};
    return start_job(
        info.Env(), lane_of(*model), cancel_token_argument(info[4]),
        [model, inputs, skip, wants_states]() mutable {
          inputs.input_ids = inputs.input_ids.to(device_of(*model));
          if (inputs.attention_mask) {
            inputs.attention_mask = inputs.attention_mask->to(device_of(*model));
          }
          Output output{model->forward(inputs), std::nullopt};
          if (skip > 0) output.skipped = model->skip_layers(output.encoding, skip);
          if (!wants_states) output.encoding.hidden_states.clear();
          return output;
        },
        output_to_js);
  });
}

}  // namespace

Napi::Function TextEncoderObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&TextEncoderObject::device>("device"),
                      InstanceAccessor<&TextEncoderObject::dtype>("dtype"),
                      InstanceAccessor<&TextEncoderObject::hidden_size>("hiddenSize"),
                      InstanceAccessor<&TextEncoderObject::max_length>("maxLength"),
                      InstanceAccessor("disposed", &TextEncoderObject::disposed, nullptr),
                      InstanceMethod("dispose", &TextEncoderObject::dispose)});
}

int64_t TextEncoderObject::bytes_of(const std::shared_ptr<TextEncoder>& model) {
  return parameter_bytes(*model);
}

void TextEncoderObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("loadTextEncoder", Napi::Function::New<load_text_encoder_job>(env));
  exports.Set("textEncoderForward", Napi::Function::New<text_encoder_forward>(env));
}

Napi::Value TextEncoderObject::device(const Napi::CallbackInfo& info) {
  return device_property(info.Env(), *payload());
}

Napi::Value TextEncoderObject::dtype(const Napi::CallbackInfo& info) {
  return dtype_property(info.Env(), *payload());
}

Napi::Value TextEncoderObject::hidden_size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(payload()->hidden_size()));
}

Napi::Value TextEncoderObject::max_length(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(payload()->max_length()));
}

}  // namespace latentray::binding
