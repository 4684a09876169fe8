#include "models/autoencoder_tiling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>

#include "core/cancellation.h"

namespace latentray {

using at::Tensor;

namespace {

using Map = std::function<Tensor(const Tensor&)>;

// Tiles along either axis.
struct TileGrid {
  int64_t tile;         // side of an input tile
  int64_t step;         // from one input tile to the next
  int64_t output_step;  // the same in the output
  int64_t blend;        // what two output tiles share
};

TileGrid make_grid(int64_t tile, int64_t output_tile, double overlap) {
  TileGrid grid;
  grid.tile = tile;
  grid.step = static_cast<int64_t>(static_cast<double>(tile) * (1.0 - overlap));
  grid.blend = static_cast<int64_t>(static_cast<double>(output_tile) * overlap);
  grid.output_step = output_tile - grid.blend;
  LATENTRAY_CHECK(
      grid.step > 0 && grid.step * output_tile == grid.output_step * tile, "ERR_INVALID_ARG",
      "tiling: a tile of ", tile, " with overlap ", overlap,
      " does not divide into whole steps; choose a tile_sample_min_size that is a larger "
      "power of two");
  return grid;
}

// `tile` with its first elements along `dim` faded in from the last ones of `previous`.
Tensor blend_from(const Tensor& previous, const Tensor& tile, int64_t dim, int64_t extent) {
  extent = std::min({extent, previous.size(dim), tile.size(dim)});
  if (extent == 0) return tile;
  std::vector<int64_t> ramp_shape(4, 1);
  ramp_shape[dim] = extent;
  const auto ramp = (at::arange(extent, at::kDouble) / extent).to(tile.options()).view(ramp_shape);
  const auto edge = previous.narrow(dim, previous.size(dim) - extent, extent);
  const auto blended = at::lerp(edge, tile.narrow(dim, 0, extent), ramp);
  return at::cat({blended, tile.narrow(dim, extent, tile.size(dim) - extent)}, dim);
}

Tensor map_tiles(const Tensor& input, const TileGrid& grid, const Map& map) {
  const auto crop = [&grid](const Tensor& x, int64_t dim, int64_t size, int64_t start = 0) {
    return x.narrow(dim, start, std::min(size, x.size(dim) - start));
  };
  std::vector<Tensor> rows;
  std::vector<Tensor> above;  // the previous row's tiles, blended
  for (int64_t y = 0; y < input.size(2); y += grid.step) {
    std::vector<Tensor> row;
    std::vector<Tensor> cropped;
    for (int64_t x = 0; x < input.size(3); x += grid.step) {
      cancellation_point();
      auto tile = map(crop(crop(input, 2, grid.tile, y), 3, grid.tile, x));
      if (!above.empty()) tile = blend_from(above[row.size()], tile, 2, grid.blend);
      if (!row.empty()) tile = blend_from(row.back(), tile, 3, grid.blend);
      row.push_back(tile);
      cropped.push_back(crop(crop(tile, 2, grid.output_step), 3, grid.output_step));
    }
    rows.push_back(at::cat(cropped, 3));
    above = std::move(row);
  }
  return at::cat(rows, 2);
}

// A tile's side in latents.
int64_t tile_latent_size(const Tiling& tiling, int64_t downscale) {
  LATENTRAY_CHECK(tiling.tile_overlap_factor >= 0.0 && tiling.tile_overlap_factor < 1.0,
                  "ERR_INVALID_ARG", "tile_overlap_factor: expected 0 to below 1, found ",
                  tiling.tile_overlap_factor);
  LATENTRAY_CHECK(tiling.tile_sample_min_size > 0 && tiling.tile_sample_min_size % downscale == 0,
                  "ERR_INVALID_ARG", "tile_sample_min_size: expected a positive multiple of ",
                  downscale, ", found ", tiling.tile_sample_min_size);
  return tiling.tile_sample_min_size / downscale;
}

// Maps image by image where `slicing` says so, and in the tiles of `grid` what is larger than one.
Tensor map_pieces(const Tensor& input, bool slicing, const std::optional<TileGrid>& grid,
                  const Map& map) {
  const auto map_images = [&](const Tensor& images) {
    const bool whole = !grid || (images.size(2) <= grid->tile && images.size(3) <= grid->tile);
    return whole ? map(images) : map_tiles(images, *grid, map);
  };
  if (!slicing) return map_images(input);
  std::vector<Tensor> outputs;
  for (const auto& image : input.split(1)) outputs.push_back(map_images(image));
  return at::cat(outputs);
}

}  // namespace

LatentDistribution encode_in_pieces(Autoencoder& model, const Tensor& pixels,
                                    const Pieces& pieces) {
  model.check_pixels(pixels);
  const LatentSpace& space = model.latent_space();
  std::optional<TileGrid> grid;
  if (const auto& tiling = pieces.tiling) {
    grid = make_grid(tiling->tile_sample_min_size, tile_latent_size(*tiling, space.downscale),
                     tiling->tile_overlap_factor);
  }
  const auto moments = map_pieces(pixels, pieces.slicing, grid,
                                  [&](const Tensor& tile) { return model.encode_moments(tile); });
  return LatentDistribution(moments, space.latent_channels);
}

Tensor decode_in_pieces(Autoencoder& model, const Tensor& latents, const Pieces& pieces) {
  model.check_latents(latents);
  std::optional<TileGrid> grid;
  if (const auto& tiling = pieces.tiling) {
    grid = make_grid(tile_latent_size(*tiling, model.latent_space().downscale),
                     tiling->tile_sample_min_size, tiling->tile_overlap_factor);
  }
  return map_pieces(latents, pieces.slicing, grid,
                    [&](const Tensor& tile) { return model.decode(tile); });
}

}  // namespace latentray
