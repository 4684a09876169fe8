import type { Autoencoder } from '../../models/autoencoder.js';
import type { JobOptions } from '../../native/addon.js';
import { Tensor } from '../../tensor.js';

/** @internal What a diffusion model is trained on: float32 on the CPU, scaled by the autoencoder's factor. */
export interface ScaledLatents {
  /** The mean, [N, C, h, w]. */
  readonly latents: Tensor;
  /** The standard deviation; a tiny autoencoder has none. */
  readonly deviation: Tensor | undefined;
}

/** @internal Pixels [N, 3, H, W] in [−1, 1], float32, through an autoencoder of any dtype on any device. */
export async function encodeScaled(
  autoencoder: Autoencoder,
  pixels: Tensor,
  { signal }: JobOptions = {},
): Promise<ScaledLatents> {
  const { device, dtype } = autoencoder;
  using input = await pixels.to({ device, dtype, signal });
  const { mean, logvar } = await autoencoder.encode(input, { signal });
  const kept = { device: 'cpu', dtype: 'float32', signal } as const;
  using scaled = await autoencoder.scale(mean, { signal });
  const latents = await scaled.to(kept);
  mean.dispose();
  if (!logvar) return { latents, deviation: undefined };
  using half = await logvar.mul(0.5, { signal });
  using deviation = await half.exp({ signal });
  logvar.dispose();
  // Scaling is linear, and may have an offset, which a deviation does not.
  using zeros = Tensor.zeros(deviation.shape, { device, dtype });
  using offset = await autoencoder.scale(zeros, { signal });
  using moved = await autoencoder.scale(deviation, { signal });
  using difference = await moved.sub(offset, { signal });
  return { latents, deviation: await difference.to(kept) };
}
