#include "nn/transformer_2d.h"

#include <ATen/ATen.h>

#include "core/cancellation.h"

namespace latentray::nn {

namespace {

constexpr int64_t kFeedForwardRatio = 4;
constexpr double kGroupNormEps = 1e-6;

AttentionOptions attention_options(const TransformerOptions& options, bool cross) {
  AttentionOptions attention;
  attention.query_dim = options.channels;
  attention.heads = options.heads;
  attention.dim_head = options.channels / options.heads;
  if (cross) attention.cross_attention_dim = options.cross_attention_dim;
  return attention;
}

Tensor to_tokens(const Tensor& image) {
  return image.permute({0, 2, 3, 1}).flatten(1, 2);  // [N, H W, C]
}

Tensor to_image(const Tensor& tokens, int64_t height, int64_t width) {
  return tokens.unflatten(1, {height, width}).permute({0, 3, 1, 2});  // [N, C, H, W]
}

}  // namespace

GEGLUImpl::GEGLUImpl(int64_t dim_in, int64_t dim_out)
    : proj_(register_module("proj", Linear(dim_in, 2 * dim_out))) {}

Tensor GEGLUImpl::forward(const Tensor& x) {
  const auto halves = proj_(x).chunk(2, -1);
  return halves[0] * at::gelu(halves[1]);
}

FeedForwardImpl::FeedForwardImpl(int64_t dim) {
  // Checkpoints number the layers of "net"; "1" is a dropout without parameters.
  auto net = register_module("net", std::make_shared<torch::nn::Module>());
  expand_ = net->register_module("0", GEGLU(dim, kFeedForwardRatio * dim));
  contract_ = net->register_module("2", Linear(kFeedForwardRatio * dim, dim));
}

Tensor FeedForwardImpl::forward(const Tensor& x) { return contract_(expand_(x)); }

BasicTransformerBlockImpl::BasicTransformerBlockImpl(const TransformerOptions& options)
    : only_cross_attention_(options.only_cross_attention),
      norm1_(register_module("norm1", LayerNorm(options.channels))),
      attn1_(register_module("attn1",
                             Attention(attention_options(options, options.only_cross_attention)))),
      norm2_(register_module("norm2", LayerNorm(options.channels))),
      attn2_(register_module("attn2", Attention(attention_options(options, /*cross=*/true)))),
      norm3_(register_module("norm3", LayerNorm(options.channels))),
      ff_(register_module("ff", FeedForward(options.channels))) {}

Tensor BasicTransformerBlockImpl::forward(const Tensor& x, const CrossAttentionInput& text) {
  cancellation_point();
  // The mask never applies to the first attention, not even where that attends to the text.
  const auto first_context =
      only_cross_attention_ ? std::optional(text.encoder_hidden_states) : std::nullopt;
  auto hidden = x + attn1_(norm1_(x), first_context);
  hidden = hidden + attn2_(norm2_(hidden), text.encoder_hidden_states, text.bias);
  return hidden + ff_(norm3_(hidden));
}

Transformer2DModelImpl::Transformer2DModelImpl(const TransformerOptions& options)
    : norm_(register_module("norm",
                            GroupNorm(options.norm_num_groups, options.channels, kGroupNormEps))),
      transformer_blocks_(
          register_module("transformer_blocks", TypedModuleList<BasicTransformerBlock>())) {
  const int64_t channels = options.channels;
  if (options.use_linear_projection) {
    linear_in_ = register_module("proj_in", Linear(channels, channels));
    linear_out_ = register_module("proj_out", Linear(channels, channels));
  } else {
    conv_in_ = register_module("proj_in", Conv2d(channels, channels, 1));
    conv_out_ = register_module("proj_out", Conv2d(channels, channels, 1));
  }
  for (int64_t i = 0; i < options.num_layers; ++i) {
    transformer_blocks_->push_back(BasicTransformerBlock(options));
  }
}

Tensor Transformer2DModelImpl::forward(const Tensor& x, const CrossAttentionInput& text) {
  const auto normed = norm_(x);
  auto tokens = linear_in_ ? linear_in_(to_tokens(normed)) : to_tokens(conv_in_(normed));
  for (auto& block : transformer_blocks_) tokens = block(tokens, text);  // [N, H W, C]

  const int64_t height = x.size(2);
  const int64_t width = x.size(3);
  return x + (linear_out_ ? to_image(linear_out_(tokens), height, width)
                          : conv_out_(to_image(tokens, height, width)));  // [N, C, H, W]
}

}  // namespace latentray::nn
