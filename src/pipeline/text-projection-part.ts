import { join } from 'node:path';
import { LatentrayError } from '../errors.js';
import { exists } from '../models/json-files.js';
import type { ModelOptions } from '../models/model-folder.js';
import type { TextEncoder } from '../models/text-encoder.js';
import { TextProjection } from '../models/text-projection.js';
import type { UNet } from '../models/unet.js';

/** The projection between a pipeline's text encoder and its U-Net, and what it must fit. */
export interface TextProjectionPart {
  /** The pipeline's folder, whose `text_projection` is taken where nothing is asked for. */
  readonly folder: string;
  /** `'linear'`, `'mlp'`, a folder or a projection. */
  readonly wanted: string | TextProjection | undefined;
  readonly textEncoder: TextEncoder;
  readonly unet: UNet;
}

/**
 * Loads, makes or takes the projection; undefined where the widths are the same and none is asked for.
 *
 * @throws `ERR_CONFIG_INVALID` with both widths where the parts do not go together.
 */
export async function textProjectionFor(
  { folder, wanted, textEncoder, unet }: TextProjectionPart,
  options: ModelOptions,
): Promise<TextProjection | undefined> {
  const widths = { inFeatures: textEncoder.hiddenSize, outFeatures: unet.crossAttentionDim };
  const saved = join(folder, 'text_projection');
  const source = wanted ?? ((await exists(saved)) ? saved : undefined);
  if (source === undefined) {
    checkSameWidth(widths);
    return undefined;
  }
  if (source === 'linear' || source === 'mlp') {
    return TextProjection.create({ ...widths, ...options, type: source });
  }
  const projection =
    typeof source === 'string' ? await TextProjection.load(source, options) : source;
  checkProjection(projection, widths);
  return projection;
}

interface Widths {
  readonly inFeatures: number;
  readonly outFeatures: number;
}

function checkSameWidth({ inFeatures, outFeatures }: Widths): void {
  if (inFeatures === outFeatures) return;
  throw new LatentrayError(
    'ERR_CONFIG_INVALID',
    `the text encoder's states are ${inFeatures} wide, the U-Net attends to ${outFeatures} ` +
      "(cross_attention_dim): they do not go together. textProjection: 'mlp' or 'linear' puts a projection " +
      'between them, which has to be trained; a folder names a trained one',
    { expected: outFeatures, found: inFeatures },
  );
}

function checkProjection(projection: TextProjection, { inFeatures, outFeatures }: Widths): void {
  if (projection.inFeatures === inFeatures && projection.outFeatures === outFeatures) return;
  throw new LatentrayError(
    'ERR_CONFIG_INVALID',
    `the text projection goes from ${projection.inFeatures} to ${projection.outFeatures}, the text encoder's ` +
      `states are ${inFeatures} wide and the U-Net attends to ${outFeatures} (cross_attention_dim): they do ` +
      'not go together',
  );
}
