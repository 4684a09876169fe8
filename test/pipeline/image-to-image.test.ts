import { join } from 'node:path';
import t from 'tap';
import { Image, Pipeline, readProvenance, Tensor, TextEncoder } from '../../src/index.js';
import {
  pipelines,
  type ReferenceModel,
  relativeError,
  schedulerConfig,
  tensor,
} from '../support/golden.js';
import { loadTinyPipeline, quick } from '../support/tiny-pipeline.js';

const committed = [
  'default',
  'ddim',
  'euler',
  'euler_ancestral',
  'dpmpp_2m',
  'unipc',
  'heun',
  'two_prompts',
  'pairs',
].map((name) => `pipeline/img2img_${name}`);

async function load(model: ReferenceModel): Promise<Pipeline> {
  const folder = await model.folder();
  const textEncoder = await TextEncoder.load(join(folder, 'text_encoder'), {
    tokenizer: await model.tokenizer(),
  });
  return Pipeline.load(folder, { textEncoder });
}

for (const model of pipelines) {
  t.test(`${model.name}: image to image equals diffusers`, { skip: model.skip }, async (t) => {
    using pipeline = await load(model);
    const names = model.name.startsWith('recipe') ? committed : ['pipeline/img2img'];
    for (const name of names) {
      const reference = await model.case(name);
      const { metadata } = reference;
      const { latents } = await pipeline.imageToImage({
        image: tensor(reference, 'image_in'),
        prompt: metadata.prompt ?? JSON.parse(metadata.prompts ?? ''),
        strength: Number(metadata.strength),
        steps: Number(metadata.steps),
        guidanceScale: Number(metadata.guidance_scale),
        seed: metadata.seeds ? JSON.parse(metadata.seeds) : Number(metadata.generator_seed),
        scheduler: schedulerConfig(reference),
        output: 'latents',
      });
      const error = await relativeError(latents, tensor(reference, 'latents_out'));
      t.ok(error <= 1e-4, `${name}: ${error}`);
    }
  });
}

const { prompt, seed } = quick;
const grey = Image.fromPixels(
  Float32Array.from({ length: 64 * 64 }, (_, i) => (i % 64) / 64),
  {
    width: 64,
    height: 64,
    channels: 1,
  },
);

t.test('images say what they were made from', async (t) => {
  using pipeline = await loadTinyPipeline();
  const { images, nextStep, flagged } = await pipeline.imageToImage({
    image: grey,
    prompt,
    seed,
    strength: 0.5,
    steps: 4,
  });
  t.match(images, [{ width: 64, height: 64, channels: 3 }]);
  t.same([nextStep, flagged], [undefined, undefined]);
  const file = await (images[0] as Image).toBuffer('png');
  t.match(await readProvenance(file), {
    synthetic: true,
    prompt,
    settings: { kind: 'image-to-image', strength: 0.5, steps: 4, image: /^sha256:[0-9a-f]{64}$/ },
  });
});

t.test('seeds give variations of one image, each of which can be made again alone', async (t) => {
  using pipeline = await loadTinyPipeline();
  const options = { image: grey, prompt, strength: 0.6, steps: 5, output: 'latents' } as const;
  const { latents } = await pipeline.imageToImage({
    ...options,
    imagesPerPrompt: 3,
    seed: [1, 2, 3],
  });
  t.same(latents.shape, [3, 4, 8, 8]);
  const alone = await pipeline.imageToImage({ ...options, seed: 2 });
  t.ok((await relativeError(await latents.slice(0, 1, 2), alone.latents)) < 1e-5);
  const batch = await pipeline.imageToImage({ ...options, imagesPerPrompt: 2, seed: 7 });
  t.same(batch.seeds, [7n]);
  const first = await batch.latents.slice(0, 0, 1);
  const second = await batch.latents.slice(0, 1, 2);
  t.ok((await relativeError(first, second)) > 1e-2, 'one seed, two variations');
});

t.test('several images go with one prompt, and are brought to a size', async (t) => {
  using pipeline = await loadTinyPipeline();
  const small = Image.fromPixels(new Float32Array(20 * 40 * 3).fill(0.25), {
    width: 40,
    height: 20,
    channels: 3,
  });
  const { images } = await pipeline.imageToImage({
    image: [grey, small],
    size: { width: 32, height: 16, fit: 'letterbox' },
    prompt,
    seed: [1, 2],
    steps: 2,
    strength: 0.5,
  });
  t.match(images, [
    { width: 32, height: 16 },
    { width: 32, height: 16 },
  ]);
});

t.test('the options of every run work here too', async (t) => {
  using pipeline = await loadTinyPipeline();
  const base = { image: grey, prompt, seed, steps: 5, strength: 0.6, output: 'latents' } as const;
  const { latents } = await pipeline.imageToImage({ ...base, scheduler: 'ddim' });
  for (const option of [
    { guidanceRescale: 0.7 },
    { clipSkip: 1 },
    { eta: 1 },
    { guidanceInterval: [0, 0.4] as const },
  ]) {
    const changed = await pipeline.imageToImage({ ...base, ...option, scheduler: 'ddim' });
    t.ok((await relativeError(changed.latents, latents)) > 1e-3, JSON.stringify(option));
  }
});

t.test('misuse is named, and the pipeline stays usable', async (t) => {
  using pipeline = await loadTinyPipeline();
  const base = { image: grey, prompt, seed, steps: 2, strength: 0.5 };
  const nan = Tensor.from(new Float32Array(3 * 64).fill(Number.NaN), { shape: [1, 3, 8, 8] });
  const wrong: [object, string, RegExp][] = [
    [{ image: undefined }, 'ERR_INVALID_ARG', /image: expected an Image/],
    [{ image: 'frontal.png' }, 'ERR_INVALID_ARG', /image: expected an Image/],
    [{ image: [] }, 'ERR_INVALID_ARG', /image/],
    [{ image: Tensor.zeros([3, 64, 64]) }, 'ERR_SHAPE', /image: expected a tensor \[N, 3, H, W\]/],
    [{ image: Tensor.zeros([0, 3, 64, 64]) }, 'ERR_SHAPE', /image/],
    [{ image: Tensor.zeros([1, 3, 60, 64]) }, 'ERR_SHAPE', /multiples of 8, received 64×60/],
    [{ image: nan }, 'ERR_NON_FINITE', /NaN/],
    [{ image: await Tensor.zeros([1, 3, 8, 8]).add(2) }, 'ERR_INVALID_ARG', /from 0 to 1/],
    [{ image: [grey, grey], prompt: ['a', 'b', 'c'] }, 'ERR_INVALID_ARG', /one a prompt/],
    [{ strength: 0 }, 'ERR_INVALID_ARG', /strength/],
    [{ strength: 1.1 }, 'ERR_INVALID_ARG', /strength/],
    [{ strength: 0.4 }, 'ERR_INVALID_ARG', /less than one step/],
    [{ width: 64 }, 'ERR_INVALID_ARG', /width/],
    [{ size: { width: 32, height: 32 } }, 'ERR_INVALID_ARG', /fit/],
  ];
  for (const [options, code, message] of wrong) {
    await t.rejects(pipeline.imageToImage({ ...base, ...options } as never), { code, message });
  }
  const reason = new Error('enough');
  await t.rejects(pipeline.imageToImage({ ...base, signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const onStep = () => controller.abort(reason);
  const aborted = pipeline.imageToImage({
    ...base,
    strength: 1,
    onStep,
    signal: controller.signal,
  });
  await t.rejects(aborted, reason);
  t.equal((await pipeline.imageToImage(base)).images.length, 1);
  pipeline.vae.dispose();
  await t.rejects(pipeline.imageToImage(base), { code: 'ERR_DISPOSED' });
});
