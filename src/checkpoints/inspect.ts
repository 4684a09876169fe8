import { z } from 'zod';
import { invalidArgument } from '../errors.js';
import { parseOptions } from '../parse-options.js';
import type { DType } from '../tensor.js';
import { loadTensors } from '../tensor-files.js';
import { checkpointParts } from './checkpoint-files.js';

/** One tensor of a checkpoint. */
export interface TensorDescription {
  readonly name: string;
  /** The part of the pipeline that it belongs to; '' in a file. */
  readonly part: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly bytes: number;
  readonly file: string;
}

/** What {@link inspect} finds. */
export interface CheckpointDescription {
  /** How the tensors are named: as the original Stable Diffusion files do, as LoRA files do, or as models here. */
  readonly layout: 'original' | 'lora' | 'model';
  readonly tensors: readonly TensorDescription[];
  /** Elements of all tensors. */
  readonly parameters: number;
  readonly bytes: number;
  /** The files' own metadata; of pickles, the texts and numbers beside the tensors. */
  readonly metadata: Readonly<Record<string, string>>;
}

const inspectOptions = z.strictObject({
  variant: z.string().optional(),
  signal: z.instanceof(AbortSignal).optional(),
});

/**
 * Names, shapes, dtypes and sizes of a checkpoint's tensors, without reading them: a safetensors file, a
 * PyTorch file, a model's folder or a pipeline's folder.
 *
 * @param options `variant`: which published variant to look at, `'fp16'` for example.
 * @throws `ERR_MODEL_NOT_FOUND`, `ERR_WEIGHTS_CORRUPT`, `ERR_WEIGHTS_UNSAFE`.
 */
export async function inspect(
  path: string,
  options: z.input<typeof inspectOptions> = {},
): Promise<CheckpointDescription> {
  if (typeof path !== 'string') throw invalidArgument('path', 'a string', path);
  const { variant, signal } = parseOptions(inspectOptions, options, 'inspect');
  const tensors: TensorDescription[] = [];
  const metadata: Record<string, string> = {};
  for (const { part, files } of await checkpointParts(path, variant)) {
    for (const file of files) {
      const content = await loadTensors(file, { signal });
      Object.assign(metadata, content.metadata);
      for (const [name, tensor] of Object.entries(content.tensors)) {
        const { shape, dtype, byteLength } = tensor;
        tensors.push({ name, part, shape, dtype, bytes: byteLength, file });
        tensor.dispose();
      }
    }
  }
  return {
    layout: layoutOf(tensors.map(({ name }) => name)),
    tensors,
    parameters: tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    bytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    metadata,
  };
}

function layoutOf(names: readonly string[]): CheckpointDescription['layout'] {
  if (names.some((name) => /^(model\.diffusion_model|first_stage_model)\./.test(name))) {
    return 'original';
  }
  return names.some((name) => /lora/i.test(name)) ? 'lora' : 'model';
}
