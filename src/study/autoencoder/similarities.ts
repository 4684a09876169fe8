import { metrics } from '../../index.js';
import { deviation, known, mean, quantile } from '../statistics.js';
import type { Pair } from './pair.js';

/** The measures, in the order of tables. */
export const measures = ['rmse', 'psnr', 'ssim', 'msSsim'] as const;
export type Measure = (typeof measures)[number];

/** Of one image. `msSsim` is NaN for images too small for its five scales. */
export type ImageFigures = Readonly<Record<Measure, number>> & {
  /** The record's hash. */
  readonly id: string;
};

/** One measure over a data set. */
export interface Distribution {
  readonly mean: number;
  readonly deviation: number;
  readonly median: number;
  /** Quantiles of 5 and 95 %. */
  readonly low: number;
  readonly high: number;
}

/** MS-SSIM's smallest scale, mirrored at its border, must hold the window. */
const smallestForMsSsim = 176;

/** How alike originals and reconstructions are, image by image. */
export class Similarities {
  readonly images: ImageFigures[] = [];

  async add(pairs: readonly Pair[], signal: AbortSignal | undefined): Promise<ImageFigures[]> {
    const originals = pairs.map(({ original }) => original);
    const restored = pairs.map((pair) => pair.restored);
    const options = { signal };
    const side = Math.min(originals[0]?.width ?? 0, originals[0]?.height ?? 0);
    const rmse = await metrics.rmse(originals, restored, options);
    const psnr = await metrics.psnr(originals, restored, options);
    const ssim = await metrics.ssim(originals, restored, options);
    const msSsim =
      side < smallestForMsSsim ? [] : await metrics.msSsim(originals, restored, options);
    const figures = pairs.map(({ record }, index) => ({
      id: record.id,
      rmse: rmse[index] ?? Number.NaN,
      psnr: psnr[index] ?? Number.NaN,
      ssim: ssim[index] ?? Number.NaN,
      msSsim: msSsim[index] ?? Number.NaN,
    }));
    this.images.push(...figures);
    return figures;
  }

  summary(): Record<Measure, Distribution> {
    const summaries = measures.map((measure) => {
      const values = known(this.images.map((image) => image[measure]));
      return [measure, distributionOf(values)] as const;
    });
    return Object.fromEntries(summaries) as Record<Measure, Distribution>;
  }
}

function distributionOf(values: readonly number[]): Distribution {
  return {
    mean: mean(values),
    deviation: deviation(values),
    median: quantile(values, 0.5),
    low: quantile(values, 0.05),
    high: quantile(values, 0.95),
  };
}
