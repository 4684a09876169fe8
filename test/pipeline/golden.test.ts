import t from 'tap';
import { Pipeline, type SchedulerConfig } from '../../src/index.js';
import { parsePythonJson } from '../../src/json.js';
import { goldenCase, goldenPath, relativeError, tensor, withoutGolden } from '../support/golden.js';

const names = ['default', 'ddim', 'euler', 'euler_ancestral', 'dpmpp_2m', 'unipc'];

function configOf(metadata: Record<string, string>): SchedulerConfig {
  const config = parsePythonJson(metadata.config ?? '', 'case') as SchedulerConfig;
  return { ...config, _class_name: metadata.scheduler };
}

for (const family of ['tiny-sd1', 'tiny-sd2']) {
  t.test(`${family}: text to image equals diffusers`, { skip: withoutGolden }, async (t) => {
    using pipeline = await Pipeline.load(goldenPath(`${family}/model`));
    for (const name of names) {
      const reference = await goldenCase(`${family}/pipeline/txt2img_${name}.safetensors`);
      const { metadata } = reference;
      const { latents, pixels } = await pipeline.generate({
        prompt: JSON.parse(metadata.prompts ?? ''),
        negativePrompt: JSON.parse(metadata.negative ?? ''),
        steps: Number(metadata.steps),
        guidanceScale: Number(metadata.guidance_scale),
        width: Number(metadata.width),
        height: Number(metadata.height),
        latents: tensor(reference, 'latents_in'),
        seed: Number(metadata.generator_seed),
        scheduler: configOf(metadata),
        output: 'pixels',
      });
      if (!pixels) throw new Error('no pixels');
      const errors = [
        await relativeError(latents, tensor(reference, 'latents_out')),
        await relativeError(pixels, tensor(reference, 'image')),
      ];
      t.ok(Math.max(...errors) <= 1e-4, `${name}: ${errors}`);
    }
  });

  t.test(`${family}: every way to call it equals diffusers`, { skip: withoutGolden }, async (t) => {
    using pipeline = await Pipeline.load(goldenPath(`${family}/model`));
    const reference = await goldenCase(`${family}/pipeline/variations.safetensors`);
    const { metadata } = reference;
    const prompts: string[] = JSON.parse(metadata.prompts ?? '');
    const settings: Record<string, Record<string, never>> = JSON.parse(metadata.settings ?? '');
    for (const [name, setting] of Object.entries(settings)) {
      const indices: number[] = [setting.prompt ?? setting.prompts ?? []].flat();
      const { latents, seeds } = await pipeline.generate({
        prompt: indices.map((index) => prompts[index] ?? ''),
        steps: setting.steps,
        guidanceScale: setting.guidance_scale,
        guidanceRescale: setting.guidance_rescale,
        eta: setting.eta,
        imagesPerPrompt: setting.images_per_prompt,
        seed: setting.seeds ?? setting.seed,
        width: Number(metadata.width),
        height: Number(metadata.height),
        scheduler: configOf(metadata),
        output: 'latents',
      });
      const error = await relativeError(latents, tensor(reference, name));
      t.ok(error <= 1e-4, `${name}: ${error}`);
      t.same(seeds.map(Number), [setting.seeds ?? setting.seed].flat());
    }
  });
}
