import { join } from 'node:path';
import t from 'tap';
import { Image, Pipeline, Tensor, TextEncoder } from '../../src/index.js';
import {
  type Case,
  committedCase,
  pipelines,
  relativeError,
  schedulerConfig,
  tensor,
} from '../support/golden.js';
import { recipeFolder } from '../support/recipe.js';
import { loadTinyPipeline, quick } from '../support/tiny-pipeline.js';

async function errorOf(pipeline: Pipeline, reference: Case): Promise<number> {
  const { metadata } = reference;
  const { latents } = await pipeline.inpaint({
    image: tensor(reference, 'image_in'),
    mask: tensor(reference, 'mask'),
    prompt: metadata.prompt ?? JSON.parse(metadata.prompts ?? ''),
    strength: Number(metadata.strength),
    steps: Number(metadata.steps),
    guidanceScale: Number(metadata.guidance_scale),
    seed: Number(metadata.generator_seed),
    scheduler: schedulerConfig(reference),
    output: 'latents',
  });
  return relativeError(latents, tensor(reference, 'latents_out'));
}

for (const model of pipelines) {
  t.test(`${model.name}: inpainting equals diffusers`, { skip: model.skip }, async (t) => {
    const folder = await model.folder();
    const tokenizer = await model.tokenizer();
    const textEncoder = await TextEncoder.load(join(folder, 'text_encoder'), { tokenizer });
    using pipeline = await Pipeline.load(folder, { textEncoder });
    const names = model.name.startsWith('recipe')
      ? ['pipeline/inpaint_ddim', 'pipeline/inpaint_euler_ancestral']
      : ['pipeline/inpaint'];
    for (const name of names) {
      const error = await errorOf(pipeline, await model.case(name));
      t.ok(error <= 1e-4, `${name}: ${error}`);
    }
  });
}

t.test('an inpainting U-Net of nine channels equals diffusers', async (t) => {
  using pipeline = await loadTinyPipeline({ unet: await recipeFolder('recipe-inpaint') });
  t.equal(pipeline.unet.inChannels, 9);
  for (const name of ['inpaint_ddim', 'inpaint_euler_ancestral']) {
    const error = await errorOf(pipeline, await committedCase(`recipe-inpaint/${name}`));
    t.ok(error <= 1e-4, `${name}: ${error}`);
  }
  const message = /call inpaint\(\)/;
  await t.rejects(pipeline.generate(quick), { code: 'ERR_INVALID_ARG', message });
  const { prompt, steps, seed } = quick;
  const options = { image: grey, prompt, steps, seed };
  await t.rejects(pipeline.imageToImage(options), { code: 'ERR_INVALID_ARG', message });
});

const grey = Image.fromPixels(
  Float32Array.from({ length: 64 * 64 }, (_, i) => (i % 64) / 64),
  {
    width: 64,
    height: 64,
    channels: 1,
  },
);
/** White in the lower half. */
const mask = Image.fromPixels(
  Float32Array.from({ length: 64 * 64 }, (_, i) => (i < 2048 ? 0 : 1)),
  {
    width: 64,
    height: 64,
    channels: 1,
  },
);
const base = { image: grey, mask, prompt: quick.prompt, seed: 3, steps: 4 };

t.test('keepUnmasked leaves every pixel outside of the mask as it was', async (t) => {
  using pipeline = await loadTinyPipeline();
  const { images } = await pipeline.inpaint({ ...base, keepUnmasked: true, strength: 0.75 });
  const [image] = images;
  if (!image) throw new Error('no image');
  const rows = 32 * 64;
  const kept = Array.from({ length: rows }, (_, i) => image.data[i * 3]);
  t.same(kept, [...grey.data.slice(0, rows)]);
  t.notSame(
    Array.from({ length: rows }, (_, i) => image.data[(rows + i) * 3]),
    [...grey.data.slice(rows)],
  );
  t.match(image.provenance?.settings, {
    kind: 'inpainting',
    strength: 0.75,
    keepUnmasked: true,
    image: /^sha256:/,
    mask: /^sha256:/,
  });
});

t.test('a black mask gives the image’s latents back', async (t) => {
  using pipeline = await loadTinyPipeline();
  const black = Tensor.zeros([1, 1, 64, 64]);
  const options = { ...base, mask: black, output: 'latents' } as const;
  const [one, other] = [
    await pipeline.inpaint({ ...options, prompt: 'effusion' }),
    await pipeline.inpaint({ ...options, prompt: 'no finding' }),
  ];
  t.same(one.latents.data(), other.latents.data());
});

t.test('one image and mask serve several prompts and seeds', async (t) => {
  using pipeline = await loadTinyPipeline();
  const prompt = ['effusion', 'no finding'];
  const { latents } = await pipeline.inpaint({ ...base, prompt, seed: [3, 4], output: 'latents' });
  const alone = await pipeline.inpaint({
    ...base,
    prompt: 'no finding',
    seed: 4,
    output: 'latents',
  });
  t.ok((await relativeError(await latents.slice(0, 1, 2), alone.latents)) < 1e-5);
});

t.test('misuse is named', async (t) => {
  using pipeline = await loadTinyPipeline();
  const small = Tensor.zeros([1, 1, 32, 64]);
  const nan = Tensor.from(new Float32Array(64 * 64).fill(Number.NaN), { shape: [1, 1, 64, 64] });
  const wrong: [object, string, RegExp][] = [
    [{ mask: undefined }, 'ERR_INVALID_ARG', /mask/],
    [{ mask: small }, 'ERR_SHAPE', /mask: expected \[1, 1, 64, 64\], as the image/],
    [{ mask: Tensor.zeros([1, 3, 64, 64]) }, 'ERR_SHAPE', /mask: expected a tensor \[N, 1, H, W\]/],
    [{ mask: [mask, mask, mask] }, 'ERR_SHAPE', /mask/],
    [{ mask: nan }, 'ERR_NON_FINITE', /NaN/],
    [{ keepUnmasked: 'yes' }, 'ERR_INVALID_ARG', /keepUnmasked/],
    [{ strength: 0.1 }, 'ERR_INVALID_ARG', /less than one step/],
  ];
  for (const [options, code, message] of wrong) {
    await t.rejects(pipeline.inpaint({ ...base, ...options } as never), { code, message });
  }
  const reason = new Error('enough');
  await t.rejects(pipeline.inpaint({ ...base, signal: AbortSignal.abort(reason) }), reason);
});
