// Large images in pieces, to bound memory: one image at a time, and in overlapping tiles that are
// blended linearly. Checked against diffusers' models/autoencoders/autoencoder_kl.py, _tiled_encode
// and tiled_decode. Tiles do not see beyond their borders, so the result differs slightly from the
// whole.
#pragma once

#include <optional>

#include "models/autoencoder.h"

namespace latentray {

struct Tiling {
  // A tile's side in pixels, a multiple of downscale; an image that is no larger stays whole.
  int64_t tile_sample_min_size;
  // The part of a tile that it shares with its neighbour, from 0 to below 1.
  double tile_overlap_factor = 0.25;
};

struct Pieces {
  bool slicing = false;                         // one image at a time
  std::optional<Tiling> tiling = std::nullopt;  // nullopt: whole images
};

LatentDistribution encode_in_pieces(Autoencoder& model, const at::Tensor& pixels,
                                    const Pieces& pieces);

at::Tensor decode_in_pieces(Autoencoder& model, const at::Tensor& latents, const Pieces& pieces);

}  // namespace latentray
