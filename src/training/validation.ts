import { join } from 'node:path';
import { Image } from '../image/image.js';
import { makeFolder } from '../models/save-model.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import type { RunContext } from './engine.js';
import type { TensorBoardLog } from './tensorboard.js';

/** @internal Images of the model as it is after a step, one a prompt, in the run's folder and in TensorBoard. */
export async function writeValidationImages(
  pipeline: Pipeline,
  step: number,
  run: RunContext,
  log: TensorBoardLog,
): Promise<void> {
  const { validation, resolution } = run.options;
  if (!validation) return;
  const { prompts, steps, guidanceScale, seed } = validation;
  const folder = join(run.folder, 'validation');
  await makeFolder(folder);
  for (const [n, prompt] of prompts.entries()) {
    run.onProgress({ phase: 'validation', done: n, total: prompts.length });
    const { images } = await pipeline.generate({
      prompt,
      steps,
      guidanceScale,
      seed,
      width: resolution,
      height: resolution,
      signal: run.signal,
    });
    const image = ofStep(images[0] as Image, step);
    await image.save(join(folder, `step-${String(step).padStart(8, '0')}-${n}.png`));
    const { width, height } = image;
    await log.image(step, `validation/${n}`, { width, height, png: await image.toBuffer('png') });
  }
}

/** The weights are no longer those of the digest. */
function ofStep(image: Image, step: number): Image {
  const { provenance, width, height, channels, data } = image;
  if (!provenance) return image;
  const settings = { ...provenance.settings, fineTuningSteps: step };
  return new Image({ width, height, channels, data, provenance: { ...provenance, settings } });
}
