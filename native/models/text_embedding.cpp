#include "models/text_embedding.h"

#include <ATen/ATen.h>

#include <map>

#include "models/text_attention.h"

namespace latentray {

using at::Tensor;

namespace {

// Length 1 along the last dimension; the norm is float32 in every dtype.
Tensor unit(const Tensor& x) {
  constexpr double kSmallest = 1e-12;
  const auto wide = x.to(at::promote_types(x.scalar_type(), at::kFloat));
  return (wide / wide.norm(2, {-1}, /*keepdim=*/true).clamp_min(kSmallest)).to(x.scalar_type());
}

Tensor chosen_layer(const TextEncoding& encoding, int64_t layer) {
  const auto count = static_cast<int64_t>(encoding.hidden_states.size());
  LATENTRAY_CHECK(-count <= layer && layer < count, "ERR_INVALID_ARG", "layer: expected ", -count,
                  " to ", count - 1, " (this model's hidden states), received ", layer);
  return encoding.hidden_states[layer < 0 ? layer + count : layer];
}

Tensor chosen_states(TextEncoder& encoder, const TextEncoding& encoding,
                     const TextRequest& request) {
  if (request.layer) return chosen_layer(encoding, *request.layer);
  if (request.skip_layers > 0) return encoder.skip_layers(encoding, request.skip_layers);
  return encoding.last_hidden_state;
}

Tensor mask_of(const TextInputs& inputs) {
  return inputs.attention_mask ? *inputs.attention_mask : at::ones_like(inputs.input_ids);
}

// What the model computes over its last layer itself.
Tensor head_output(const std::optional<Tensor>& output, const TextRequest& request,
                   const char* name) {
  LATENTRAY_CHECK(output, "ERR_INVALID_ARG", "pooling: this text encoder has no ", name,
                  ". Choose 'mean', 'cls' or 'eot'");
  LATENTRAY_CHECK(!request.layer && request.skip_layers == 0, "ERR_INVALID_ARG", "pooling: the ",
                  name, " belongs to the last layer, and another one was asked for");
  return *output;
}

Tensor pool(TextEncoder& encoder, const TextInputs& inputs, const EmbeddedTexts& embedded,
            const TextRequest& request) {
  const Tensor& states = embedded.states;
  switch (request.pooling) {
    case Pooling::kCls:
      LATENTRAY_CHECK(!encoder.is_causal(), "ERR_INVALID_ARG",
                      "pooling: the first token of this text encoder sees nothing of its text, so "
                      "'cls' is the same for all. Choose 'eot'");
      return states.select(1, 0);  // [N, C]
    case Pooling::kMean:
      return mean_pool(states, mask_of(inputs));
    case Pooling::kEndOfText:
      return select_tokens(states, encoder.end_positions(inputs));
    case Pooling::kPooler:
      return head_output(embedded.encoding.pooler_output, request, "pooler");
    case Pooling::kProjection:
      return head_output(embedded.encoding.projection, request, "projection");
    case Pooling::kNone:
      break;
  }
  return Tensor();
}

}  // namespace

Pooling parse_pooling(const std::string& name) {
  static const std::map<std::string, Pooling> names = {
      {"none", Pooling::kNone},     {"cls", Pooling::kCls},
      {"mean", Pooling::kMean},     {"eot", Pooling::kEndOfText},
      {"pooler", Pooling::kPooler}, {"projection", Pooling::kProjection},
  };
  const auto found = names.find(name);
  LATENTRAY_CHECK(found != names.end(), "ERR_INVALID_ARG",
                  "pooling: expected 'none', 'cls', 'mean', 'eot', 'pooler' or 'projection', "
                  "received '",
                  name, "'");
  return found->second;
}

EmbeddedTexts embed_texts(TextEncoder& encoder, TextInputs inputs, const TextRequest& request) {
  LATENTRAY_CHECK(!request.layer || request.skip_layers == 0, "ERR_INVALID_ARG",
                  "layer and skipLayers: expected one of them");
  LATENTRAY_CHECK(!request.normalize || request.pooling != Pooling::kNone, "ERR_INVALID_ARG",
                  "normalize: expected a pooling whose vectors are scaled, received 'none'");
  TextInputs seen = inputs;
  if (!request.mask_padding) seen.attention_mask.reset();
  seen.output_hidden_states =
      inputs.output_hidden_states || request.layer || request.skip_layers > 0;

  EmbeddedTexts embedded;
  embedded.encoding = encoder.forward(seen);
  embedded.states = chosen_states(encoder, embedded.encoding, request);
  if (!inputs.output_hidden_states) embedded.encoding.hidden_states.clear();
  if (request.pooling != Pooling::kNone) {
    const auto pooled = pool(encoder, inputs, embedded, request);
    embedded.pooled = request.normalize ? unit(pooled) : pooled.contiguous();
  }
  return embedded;
}

Tensor cosine_similarity(const Tensor& a, const Tensor& b) {
  LATENTRAY_CHECK(a.dim() == 2 && b.dim() == 2 && a.size(1) == b.size(1), "ERR_SHAPE",
                  "cosineSimilarity: expected [N, C] and [M, C], received ", a.sizes(), " and ",
                  b.sizes());
  LATENTRAY_CHECK(a.is_floating_point() && a.scalar_type() == b.scalar_type(), "ERR_DTYPE",
                  "cosineSimilarity: expected two floating-point tensors of one dtype");
  LATENTRAY_CHECK(a.device() == b.device(), "ERR_DEVICE_UNAVAILABLE",
                  "cosineSimilarity: expected two tensors on one device");
  return unit(a).matmul(unit(b).t()).clamp(-1, 1);  // [N, M]
}

}  // namespace latentray
