#include "text_encoder.h"

#include "arguments.h"
#include "core/device.h"
#include "job.h"
#include "model_source.h"
#include "models/random_init.h"
#include "models/text_embedding.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

void set_optional(Napi::Object& object, const char* name, const std::optional<at::Tensor>& tensor) {
  if (tensor) object.Set(name, TensorObject::create(object.Env(), *tensor));
}

// `wants_states`: a stream of pooled vectors leaves the states where they are, to be freed.
Napi::Value output_to_js(Napi::Env env, const EmbeddedTexts& output, bool wants_states) {
  auto result = Napi::Object::New(env);
  set_optional(result, "pooled", output.pooled);
  if (!wants_states) return result;
  result.Set("lastHiddenState", TensorObject::create(env, output.states));
  const auto& states = output.encoding.hidden_states;
  auto hidden_states = Napi::Array::New(env, states.size());
  for (uint32_t i = 0; i < states.size(); ++i) {
    hidden_states.Set(i, TensorObject::create(env, states[i]));
  }
  result.Set("hiddenStates", hidden_states);
  set_optional(result, "poolerOutput", output.encoding.pooler_output);
  set_optional(result, "projection", output.encoding.projection);
  return result;
}

TextRequest request_argument(const Napi::Object& options) {
  TextRequest request;
  request.mask_padding = options.Get("maskPadding").ToBoolean();
  request.skip_layers =
      static_cast<int64_t>(number_argument(options.Get("skipLayers"), "skipLayers"));
  const Napi::Value layer = options.Get("layer");
  if (!is_absent(layer)) request.layer = static_cast<int64_t>(number_argument(layer, "layer"));
  request.pooling = parse_pooling(string_argument(options.Get("pooling"), "pooling"));
  request.normalize = options.Get("normalize").ToBoolean();
  return request;
}

void move_inputs(TextInputs& inputs, at::Device device) {
  inputs.input_ids = inputs.input_ids.to(device);
  if (inputs.attention_mask) inputs.attention_mask = inputs.attention_mask->to(device);
}

Napi::Value text_encoder_to_js(Napi::Env env, std::shared_ptr<TextEncoder> model) {
  return TextEncoderObject::create(env, std::move(model));
}

// loadTextEncoder(source, token)
Napi::Value load_text_encoder_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source] {
          return load_text_encoder(source.config(), source.state(Part::kTextEncoder),
                                   source.options);
        },
        text_encoder_to_js);
  });
}

// createTextEncoder(source without files, token, seed)
Napi::Value create_text_encoder_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source, seed = seed_argument(info[2], "seed")] {
          return create_text_encoder(source.config(), seed, source.options.device);
        },
        text_encoder_to_js);
  });
}

// textEncoderForward(encoder, inputIds, attentionMask | null, { states, hiddenStates, … }, token)
Napi::Value text_encoder_forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = TextEncoderObject::payload_of(info[0]);
    const auto options = info[3].As<Napi::Object>();
    const bool wants_states = options.Get("states").ToBoolean();
    TextInputs inputs{tensor_argument(info[1]), optional_tensor_argument(info[2]), std::nullopt,
                      options.Get("hiddenStates").ToBoolean()};
    return start_job(
        info.Env(), lane_of(*model), cancel_token_argument(info[4]),
        [model, inputs, request = request_argument(options)]() mutable {
          move_inputs(inputs, device_of(*model));
          return embed_texts(*model, inputs, request);
        },
        [wants_states](Napi::Env env, const EmbeddedTexts& output) {
          return output_to_js(env, output, wants_states);
        });
  });
}

// setAddedEmbeddings(encoder, ids, rows, token): rows [K, C] for the ids of added tokens.
Napi::Value set_added_embeddings(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = TextEncoderObject::payload_of(info[0]);
    return start_job(
        info.Env(), lane_of(*model), cancel_token_argument(info[3]),
        [model, ids = integers_argument(info[1], "ids"), rows = tensor_argument(info[2])] {
          model->set_added_embeddings(ids, rows);
          return model->added_embedding_bytes();
        },
        [model](Napi::Env env, int64_t bytes) {
          Environment::of(env).grew(env, model.get(), {bytes, 0});
          return env.Undefined();
        });
  });
}

// cosineSimilarity(a, b, token)
Napi::Value cosine_similarity_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto a = tensor_argument(info[0]);
    const auto b = tensor_argument(info[1]);
    return start_job(
        info.Env(), device_name(a.device()), cancel_token_argument(info[2]),
        [a, b] { return latentray::cosine_similarity(a, b); }, tensor_to_js);
  });
}

// textEncoderSave(encoder, path, dtype | null, token)
Napi::Value text_encoder_save(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = TextEncoderObject::payload_of(info[0]);
    return save_model(info, lane_of(*model), [model] { return model->published_state(); });
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
  exports.Set("createTextEncoder", Napi::Function::New<create_text_encoder_job>(env));
  exports.Set("loadTextEncoder", Napi::Function::New<load_text_encoder_job>(env));
  exports.Set("textEncoderForward", Napi::Function::New<text_encoder_forward>(env));
  exports.Set("textEncoderSave", Napi::Function::New<text_encoder_save>(env));
  exports.Set("setAddedEmbeddings", Napi::Function::New<set_added_embeddings>(env));
  exports.Set("cosineSimilarity", Napi::Function::New<cosine_similarity_job>(env));
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
