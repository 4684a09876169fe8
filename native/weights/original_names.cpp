#include "weights/original_names.h"

#include <c10/util/StringUtil.h>

namespace latentray {

namespace {

using Modules = std::vector<ModuleName>;

void add_unet_resnet(Modules& modules, const std::string& diffusers, const std::string& original) {
  modules.push_back({diffusers + ".norm1", original + ".in_layers.0"});
  modules.push_back({diffusers + ".conv1", original + ".in_layers.2"});
  modules.push_back({diffusers + ".time_emb_proj", original + ".emb_layers.1"});
  modules.push_back({diffusers + ".norm2", original + ".out_layers.0"});
  modules.push_back({diffusers + ".conv2", original + ".out_layers.3"});
  modules.push_back({diffusers + ".conv_shortcut", original + ".skip_connection"});
}

void add_vae_resnet(Modules& modules, const std::string& diffusers, const std::string& original) {
  modules.push_back({diffusers + ".conv_shortcut", original + ".nin_shortcut"});
  modules.push_back({diffusers, original});
}

void add_down_blocks(Modules& modules, const BlockCounts& counts) {
  const int64_t steps = counts.layers + 1;  // the residual blocks, then the downsampler
  for (int64_t level = 0; level < counts.levels; ++level) {
    const std::string block = c10::str("down_blocks.", level);
    for (int64_t layer = 0; layer < counts.layers; ++layer) {
      const std::string input = c10::str("input_blocks.", 1 + level * steps + layer);
      add_unet_resnet(modules, c10::str(block, ".resnets.", layer), input + ".0");
      modules.push_back({c10::str(block, ".attentions.", layer), input + ".1"});
    }
    modules.push_back(
        {block + ".downsamplers.0.conv", c10::str("input_blocks.", (level + 1) * steps, ".0.op")});
  }
}

void add_up_blocks(Modules& modules, const BlockCounts& counts) {
  const int64_t steps = counts.layers + 1;
  for (int64_t level = 0; level < counts.levels; ++level) {
    const std::string block = c10::str("up_blocks.", level);
    for (int64_t layer = 0; layer < steps; ++layer) {
      const std::string output = c10::str("output_blocks.", level * steps + layer);
      add_unet_resnet(modules, c10::str(block, ".resnets.", layer), output + ".0");
      if (counts.up_attention[level]) {
        modules.push_back({c10::str(block, ".attentions.", layer), output + ".1"});
      }
    }
    const std::string last = c10::str("output_blocks.", (level + 1) * steps - 1);
    modules.push_back({block + ".upsamplers.0.conv",
                       last + (counts.up_attention[level] ? ".2.conv" : ".1.conv")});
  }
}

}  // namespace

std::vector<ModuleName> unet_modules(const BlockCounts& counts) {
  Modules modules{{"time_embedding.linear_1", "time_embed.0"},
                  {"time_embedding.linear_2", "time_embed.2"},
                  {"conv_in", "input_blocks.0.0"},
                  {"conv_norm_out", "out.0"},
                  {"conv_out", "out.2"},
                  {"class_embedding.linear_1", "label_emb.0.0"},
                  {"class_embedding.linear_2", "label_emb.0.2"},
                  {"mid_block.attentions.0", "middle_block.1"}};
  add_unet_resnet(modules, "mid_block.resnets.0", "middle_block.0");
  add_unet_resnet(modules, "mid_block.resnets.1", "middle_block.2");
  add_down_blocks(modules, counts);
  add_up_blocks(modules, counts);
  return modules;
}

std::vector<ModuleName> vae_modules(const BlockCounts& counts) {
  Modules modules;
  for (const std::string side : {"encoder", "decoder"}) {
    const std::string mid = side + ".mid_block.";
    const std::string attention = mid + "attentions.0.";
    add_vae_resnet(modules, mid + "resnets.0", side + ".mid.block_1");
    add_vae_resnet(modules, mid + "resnets.1", side + ".mid.block_2");
    modules.push_back({attention + "group_norm", side + ".mid.attn_1.norm"});
    modules.push_back({attention + "to_q", side + ".mid.attn_1.q"});
    modules.push_back({attention + "to_k", side + ".mid.attn_1.k"});
    modules.push_back({attention + "to_v", side + ".mid.attn_1.v"});
    modules.push_back({attention + "to_out.0", side + ".mid.attn_1.proj_out"});
    modules.push_back({side + ".conv_norm_out", side + ".norm_out"});
  }
  for (int64_t level = 0; level < counts.levels; ++level) {
    const std::string down = c10::str("encoder.down_blocks.", level);
    const std::string original_down = c10::str("encoder.down.", level);
    const std::string up = c10::str("decoder.up_blocks.", level);
    const std::string original_up = c10::str("decoder.up.", counts.levels - 1 - level);
    for (int64_t layer = 0; layer <= counts.layers; ++layer) {
      add_vae_resnet(modules, c10::str(down, ".resnets.", layer),
                     c10::str(original_down, ".block.", layer));
      add_vae_resnet(modules, c10::str(up, ".resnets.", layer),
                     c10::str(original_up, ".block.", layer));
    }
    modules.push_back({down + ".downsamplers.0.conv", original_down + ".downsample.conv"});
    modules.push_back({up + ".upsamplers.0.conv", original_up + ".upsample.conv"});
  }
  return modules;
}

std::vector<ModuleName> open_clip_modules(int64_t layers) {
  Modules modules{{"text_model.embeddings.token_embedding", "token_embedding"},
                  {"text_model.final_layer_norm", "ln_final"}};
  for (int64_t layer = 0; layer < layers; ++layer) {
    const std::string block = c10::str("text_model.encoder.layers.", layer);
    const std::string original = c10::str("transformer.resblocks.", layer);
    modules.push_back({block + ".layer_norm1", original + ".ln_1"});
    modules.push_back({block + ".layer_norm2", original + ".ln_2"});
    modules.push_back({block + ".mlp.fc1", original + ".mlp.c_fc"});
    modules.push_back({block + ".mlp.fc2", original + ".mlp.c_proj"});
    modules.push_back({block + ".self_attn.out_proj", original + ".attn.out_proj"});
  }
  return modules;
}

ModuleRenaming::ModuleRenaming(const std::vector<ModuleName>& modules, Direction direction) {
  for (const auto& [diffusers, original] : modules) {
    if (direction == Direction::kToDiffusers) {
      names_[original] = diffusers;
    } else {
      names_[diffusers] = original;
    }
  }
}

std::string ModuleRenaming::operator()(const std::string& key) const {
  for (size_t end = key.rfind('.'); end != std::string::npos && end > 0;
       end = key.rfind('.', end - 1)) {
    const auto found = names_.find(key.substr(0, end));
    if (found != names_.end()) return found->second + key.substr(end);
  }
  return key;
}

std::string ModuleRenaming::module(const std::string& name) const {
  const std::string parameter = (*this)(name + ".");
  return parameter.substr(0, parameter.size() - 1);
}

}  // namespace latentray
