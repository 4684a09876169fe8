#include "models/text_attention.h"

#include <ATen/ATen.h>

#include "core/dtype.h"

namespace latentray {

using at::Tensor;

namespace {

// An index outside an embedding table ends the process on a GPU.
void check_ids(const char* name, const Tensor& ids, int64_t count) {
  LATENTRAY_CHECK(ids.scalar_type() == at::kLong, "ERR_DTYPE", name, ": expected int64, found ",
                  dtype_name(ids.scalar_type()));
  const auto [least, greatest] = ids.aminmax();
  const int64_t low = least.item<int64_t>();
  const int64_t high = greatest.item<int64_t>();
  LATENTRAY_CHECK(low >= 0 && high < count, "ERR_INVALID_ARG", name, ": expected ids from 0 to ",
                  count - 1, ", found ", low < 0 ? low : high);
}

void check_same_shape(const char* name, const Tensor& tensor, const Tensor& ids) {
  LATENTRAY_CHECK(tensor.sizes() == ids.sizes(), "ERR_SHAPE", name,
                  ": expected the shape of input_ids, ", ids.sizes(), ", found ", tensor.sizes());
}

}  // namespace

void check_text_inputs(const TextInputs& inputs, const TextLimits& limits) {
  const Tensor& ids = inputs.input_ids;
  LATENTRAY_CHECK(ids.dim() == 2 && ids.numel() > 0, "ERR_SHAPE",
                  "input_ids: expected [texts, tokens], found ", ids.sizes());
  LATENTRAY_CHECK(ids.size(1) <= limits.max_length, "ERR_SHAPE", "input_ids: expected at most ",
                  limits.max_length, " tokens, found ", ids.size(1));
  check_ids("input_ids", ids, limits.vocab_size);

  if (inputs.attention_mask) check_same_shape("attention_mask", *inputs.attention_mask, ids);
  if (inputs.token_type_ids) {
    LATENTRAY_CHECK(limits.type_vocab_size > 0, "ERR_INVALID_ARG",
                    "token_type_ids: this text encoder knows no segments");
    check_same_shape("token_type_ids", *inputs.token_type_ids, ids);
    check_ids("token_type_ids", *inputs.token_type_ids, limits.type_vocab_size);
  }
}

Tensor skipped_state(const TextEncoding& encoding, int64_t skip) {
  const auto last = static_cast<int64_t>(encoding.hidden_states.size()) - 1;
  LATENTRAY_CHECK(last >= 0, "ERR_INVALID_ARG",
                  "skipped layers: the hidden states were not asked for");
  LATENTRAY_CHECK(skip >= 0 && skip <= last, "ERR_INVALID_ARG", "skipped layers: expected 0 to ",
                  last, ", found ", skip);
  return encoding.hidden_states[last - skip];
}

Tensor select_tokens(const Tensor& hidden, const Tensor& positions) {
  return hidden.index({at::arange(hidden.size(0), positions.options()), positions});  // [N, C]
}

std::optional<Tensor> padding_mask(const TextInputs& inputs) {
  if (!inputs.attention_mask) return std::nullopt;
  const auto visible = inputs.attention_mask->to(inputs.input_ids.device(), at::kBool);
  if (visible.all().item<bool>()) return std::nullopt;
  const int64_t length = visible.size(1);
  return visible.view({-1, 1, 1, length}).expand({-1, 1, length, length});
}

Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads,
              const std::optional<Tensor>& mask, bool causal) {
  const auto split = [heads](const Tensor& x) {
    return x.unflatten(-1, {heads, -1}).transpose(1, 2);  // [N, heads, L, C / heads]
  };
  const auto attended = at::scaled_dot_product_attention(split(q), split(k), split(v), mask,
                                                         /*dropout_p=*/0.0, causal);
  return attended.transpose(1, 2).flatten(2);  // [N, L, C]
}

}  // namespace latentray
