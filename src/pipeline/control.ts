import { invalidArgument, LatentrayError } from '../errors.js';
import type { NoiseConditions } from '../native/addon-types.js';
import { handleOf } from '../tensor.js';
import type { ParsedControl, ParsedDiffusionOptions } from './generate-options.js';
import { countOf, digestOf, toUnitPixels } from './input-images.js';
import { modelDigest } from './model-digest.js';
import type { PipelineParts } from './parts.js';
import { spreadRows } from './rows.js';

/** The size of a run: images, and their pixels. */
export interface RunSize {
  readonly count: number;
  readonly width: number;
  readonly height: number;
}

/** A call's control, as the noise predictor takes it and as the provenance says it. */
export interface Control {
  readonly inputs: NoiseConditions['controls'];
  /** Read when it is wanted: digests take a while. */
  settings(): Promise<Record<string, unknown>[]>;
}

/** Reads the structures that steer each of the pipeline's ControlNets. */
export async function readControl(
  { controlNets }: PipelineParts,
  options: ParsedDiffusionOptions,
  size: RunSize,
): Promise<Control> {
  const controls = [options.control ?? []].flat() as ParsedControl[];
  if (controls.length === 0) {
    if (options.guessMode) throw invalidArgument('guessMode', 'false without control', true);
    return { inputs: [], settings: async () => [] };
  }
  if (controls.length !== controlNets.length) {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      `control: expected one for each of the pipeline's ${controlNets.length} ControlNets, received ` +
        `${controls.length}; Pipeline.load(folder, { controlNet }) gives a pipeline its ControlNets`,
    );
  }
  const pairs = controlNets.map((model, index) => ({
    model,
    ...(controls[index] as ParsedControl),
  }));
  const inputs = await Promise.all(
    pairs.map(async ({ model, scale, start, end, ...control }) => {
      const image = handleOf(await structure(control, size, options.signal));
      return { model: model.handle, image, scale, start, end };
    }),
  );
  const settings = () =>
    Promise.all(
      pairs.map(async ({ model, image, scale, start, end }) => {
        const [digest, imageDigest] = await Promise.all([modelDigest(model), digestOf(image)]);
        return { modelDigest: digest, image: imageDigest, scale, start, end };
      }),
    );
  return { inputs, settings };
}

/** [count, 3, height, width] in [0, 1] */
async function structure(
  { image }: Pick<ParsedControl, 'image'>,
  { count, width, height }: RunSize,
  signal: AbortSignal | undefined,
) {
  const images = countOf(image);
  if (count % images !== 0) {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      `control.image: expected one, or one for each of the ${count} images, received ${images}`,
    );
  }
  const pixels = await toUnitPixels(image, { name: 'control.image', signal });
  const [, , found, foundWidth] = pixels.shape;
  if (found !== height || foundWidth !== width) {
    throw new LatentrayError(
      'ERR_SHAPE',
      `control.image: expected ${width}×${height} pixels, as the result, received ${foundWidth}×${found}; ` +
        'fitImage() brings an Image to another size',
    );
  }
  return spreadRows(pixels, count);
}
