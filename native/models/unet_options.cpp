#include "models/unet_options.h"

#include <algorithm>

namespace latentray {

namespace {

// Far above any network that exists; a config beyond it is a mistake, not a model.
constexpr size_t kMaxUNetLevels = 16;
constexpr int64_t kMaxUNetLayers = 64;
constexpr int64_t kMaxTransformerBlocks = 1024;
constexpr int64_t kMaxWidth = 1 << 16;
constexpr int64_t kMaxKernel = 15;

// What the published class can do and this one does not: any value but the default is refused.
void reject_unsupported(const Config& config) {
  const nlohmann::json defaults = {
      {"addition_embed_type", nullptr},
      {"addition_time_embed_dim", nullptr},
      {"attention_type", "default"},
      {"class_embed_type", nullptr},
      {"class_embeddings_concat", false},
      {"cross_attention_norm", nullptr},
      {"dropout", 0.0},
      {"dual_cross_attention", false},
      {"encoder_hid_dim", nullptr},
      {"encoder_hid_dim_type", nullptr},
      {"mid_block_only_cross_attention", nullptr},
      {"num_attention_heads", nullptr},
      {"num_class_embeds", nullptr},
      {"projection_class_embeddings_input_dim", nullptr},
      {"resnet_out_scale_factor", 1.0},
      {"resnet_skip_time_act", false},
      {"resnet_time_scale_shift", "default"},
      {"reverse_transformer_layers_per_block", nullptr},
      {"time_embedding_act_fn", nullptr},
      {"time_embedding_type", "positional"},
      {"timestep_post_act", nullptr},
  };
  for (const auto& [key, value] : defaults.items()) {
    if (config.has(key) && config.json().at(key) != value) config.reject(key, value.dump());
  }
  config.require_one_of("act_fn", {"silu", "swish"}, "silu");
}

bool is_null(const Config& config, const std::string& key) {
  return config.json().contains(key) && config.json().at(key).is_null();
}

int64_t bounded(const Config& config, const std::string& key, int64_t value, int64_t least,
                int64_t most) {
  if (value < least || value > most) {
    config.reject(key, c10::str("from ", least, " to ", most));
  }
  return value;
}

int64_t bounded_integer(const Config& config, const std::string& key, int64_t fallback,
                        int64_t least, int64_t most) {
  return bounded(config, key, config.integer(key, fallback), least, most);
}

std::vector<int64_t> bounded_per_level(const Config& config, const std::string& key,
                                       int64_t fallback, size_t levels, int64_t most) {
  auto values = config.integer_per_level(key, fallback, levels);
  for (const int64_t value : values) bounded(config, key, value, 1, most);
  return values;
}

std::vector<int64_t> block_channels(const Config& config, int64_t groups) {
  auto channels = config.integers("block_out_channels", {320, 640, 1280, 1280});
  if (channels.empty() || channels.size() > kMaxUNetLevels) {
    config.reject("block_out_channels", c10::str("a list of 1 to ", kMaxUNetLevels, " widths"));
  }
  for (const int64_t width : channels) {
    bounded(config, "block_out_channels", width, 1, kMaxWidth);
    if (width % groups != 0) {
      config.reject("block_out_channels", c10::str("multiples of norm_num_groups (", groups, ")"));
    }
  }
  return channels;
}

// Which levels have transformers, from the names of their blocks.
std::vector<bool> cross_attention_levels(const Config& config, const std::string& key,
                                         const std::string& plain, const std::string& cross,
                                         std::vector<std::string> fallback, size_t levels) {
  const auto names = config.strings(key, std::move(fallback));
  if (names.size() != levels) {
    config.reject(key, c10::str("one type for each of the ", levels, " block_out_channels"));
  }
  std::vector<bool> has_cross_attention;
  for (const auto& name : names) {
    if (name != plain && name != cross) {
      config.reject(key, c10::str("'", plain, "' or '", cross, "' at each level"));
    }
    has_cross_attention.push_back(name == cross);
  }
  return has_cross_attention;
}

// Each level has that many on the way down; two lists that are in range can ask for too many.
void check_transformer_blocks(const Config& config, const UNet2DConditionOptions& options) {
  int64_t blocks = 0;
  for (size_t level = 0; level < options.layers_per_block.size(); ++level) {
    blocks += options.layers_per_block[level] * options.transformer_layers_per_block[level];
  }
  if (blocks > kMaxTransformerBlocks) {
    config.reject("transformer_layers_per_block",
                  c10::str("at most ", kMaxTransformerBlocks, " blocks, times layers_per_block"));
  }
}

std::vector<int64_t> attention_heads(const Config& config, const std::vector<int64_t>& channels) {
  // The published class reads the number of heads from the key that says "dim".
  auto heads = bounded_per_level(config, "attention_head_dim", 8, channels.size(), kMaxWidth);
  for (size_t level = 0; level < channels.size(); ++level) {
    if (channels[level] % heads[level] != 0) {
      config.reject("attention_head_dim",
                    c10::str("a number of heads that divides block_out_channels (", channels[level],
                             " at level ", level, ")"));
    }
  }
  return heads;
}

// One text encoder feeds every level, so its width may not differ between them.
int64_t text_width(const Config& config, size_t levels) {
  const auto widths = bounded_per_level(config, "cross_attention_dim", 1280, levels, kMaxWidth);
  if (std::any_of(widths.begin(), widths.end(),
                  [&](int64_t width) { return width != widths.front(); })) {
    config.reject("cross_attention_dim", "the same width at every level");
  }
  return widths.front();
}

std::vector<bool> only_cross_attention(const Config& config, size_t levels) {
  const std::string key = "only_cross_attention";
  if (!config.has(key) || config.json().at(key).is_boolean()) {
    return std::vector<bool>(levels, config.boolean(key, false));
  }
  auto values = config.booleans(key, {});
  if (values.size() != levels) config.reject(key, c10::str("one value or a list of ", levels));
  return values;
}

bool mid_block(const Config& config) {
  if (is_null(config, "mid_block_type")) return false;
  config.require_one_of("mid_block_type", {"UNetMidBlock2DCrossAttn"}, "UNetMidBlock2DCrossAttn");
  return true;
}

int64_t frequency_shift(const Config& config, int64_t embedding_dim) {
  const int64_t shift = config.integer("freq_shift", 0);
  if (shift < 0 || shift >= embedding_dim / 2) {
    config.reject("freq_shift", c10::str("from 0 to below half of block_out_channels[0] (",
                                         embedding_dim / 2, ")"));
  }
  return shift;
}

}  // namespace

UNet2DConditionOptions UNet2DConditionOptions::from_config(const Config& config) {
  reject_unsupported(config);
  UNet2DConditionOptions options;
  options.norm_num_groups = bounded_integer(config, "norm_num_groups", 32, 1, kMaxWidth);
  options.norm_eps = config.number("norm_eps", 1e-5);
  options.block_out_channels = block_channels(config, options.norm_num_groups);
  const size_t levels = options.block_out_channels.size();

  options.in_channels = bounded_integer(config, "in_channels", 4, 1, kMaxWidth);
  options.out_channels = bounded_integer(config, "out_channels", 4, 1, kMaxWidth);
  options.conv_in_kernel = bounded_integer(config, "conv_in_kernel", 3, 1, kMaxKernel);
  options.conv_out_kernel = bounded_integer(config, "conv_out_kernel", 3, 1, kMaxKernel);
  options.downsample_padding = bounded_integer(config, "downsample_padding", 1, 0, 1);
  options.center_input_sample = config.boolean("center_input_sample", false);

  options.down_cross_attention = cross_attention_levels(
      config, "down_block_types", "DownBlock2D", "CrossAttnDownBlock2D",
      {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"},
      levels);
  options.up_cross_attention = cross_attention_levels(
      config, "up_block_types", "UpBlock2D", "CrossAttnUpBlock2D",
      {"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"}, levels);
  options.has_mid_block = mid_block(config);
  options.mid_block_scale_factor = config.number("mid_block_scale_factor", 1.0);
  options.layers_per_block =
      bounded_per_level(config, "layers_per_block", 2, levels, kMaxUNetLayers);

  options.transformer_layers_per_block =
      bounded_per_level(config, "transformer_layers_per_block", 1, levels, kMaxUNetLayers);
  check_transformer_blocks(config, options);
  options.num_attention_heads = attention_heads(config, options.block_out_channels);
  options.only_cross_attention = latentray::only_cross_attention(config, levels);
  options.cross_attention_dim = text_width(config, levels);
  options.use_linear_projection = config.boolean("use_linear_projection", false);
  // Attention is float32 inside in any case (nn/attention.h): the key is checked, and needs no
  // more.
  config.boolean("upcast_attention", false);

  const int64_t embedding_dim = options.block_out_channels.front();
  options.flip_sin_to_cos = config.boolean("flip_sin_to_cos", true);
  options.freq_shift = frequency_shift(config, embedding_dim);
  options.time_embedding_dim =
      bounded_integer(config, "time_embedding_dim", 4 * embedding_dim, 1, 4 * kMaxWidth);
  if (config.has("time_cond_proj_dim")) {
    options.time_cond_proj_dim = bounded_integer(config, "time_cond_proj_dim", 1, 1, kMaxWidth);
  }
  return options;
}

}  // namespace latentray
