import { join } from 'node:path';
import t from 'tap';
import { fitImage, Image, Pipeline, Tensor, TextEncoder } from '../../src/index.js';
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

/** A radiograph of 128×96 pixels with a white square of 24 in its mask. */
const large = Image.fromPixels(
  Float32Array.from({ length: 128 * 96 }, (_, i) => ((i % 128) + Math.floor(i / 128)) / 224),
  { width: 128, height: 96, channels: 1 },
);
const isWhite = (i: number) => {
  const [x, y] = [i % 128, Math.floor(i / 128)];
  return x >= 60 && x < 84 && y >= 40 && y < 64;
};
const square = Image.fromPixels(
  Float32Array.from({ length: 128 * 96 }, (_, i) => (isWhite(i) ? 1 : 0)),
  { width: 128, height: 96, channels: 1 },
);

/** The 32×32 pixels around the square. */
function aroundSquare({ data, channels }: Image): Image {
  const samples = Array.from({ length: 32 * 32 * channels }, (_, i) => {
    const pixel = Math.floor(i / channels);
    const place = (36 + Math.floor(pixel / 32)) * 128 + 56 + (pixel % 32);
    return data[place * channels + (i % channels)] as number;
  });
  return new Image({ width: 32, height: 32, channels, data: Uint8Array.from(samples) });
}

t.test('paddingMaskCrop paints the region at its own size, and puts it back', async (t) => {
  using pipeline = await loadTinyPipeline();
  const size = { width: 64, height: 64 };
  const options = { ...base, image: large, mask: square, size, paddingMaskCrop: 4 };
  const { images, latents } = await pipeline.inpaint(options);
  const [image] = images as [Image];
  t.same([image.width, image.height], [128, 96]);

  const stretched = { ...size, fit: 'stretch' } as const;
  const region = await pipeline.inpaint({
    ...base,
    image: await fitImage(aroundSquare(large), stretched),
    mask: await fitImage(aroundSquare(square), stretched),
  });
  t.same(latents.data(), region.latents.data());
  const painted = await fitImage(region.images[0] as Image, {
    ...size,
    width: 32,
    height: 32,
    fit: 'stretch',
  });
  const back = aroundSquare(image);
  const white = aroundSquare(square);
  let largest = 0;
  for (const [i, sample] of back.data.entries()) {
    if (white.data[Math.floor(i / 3)] === 255) {
      largest = Math.max(largest, Math.abs(sample - (painted.data[i] as number)));
    }
  }
  t.ok(largest <= 1, `inside of the mask: ${largest}`);
  for (let i = 0; i < 128 * 96; i++) {
    if (!isWhite(i) && image.data[i * 3] !== large.data[i]) t.fail(`pixel ${i} changed`);
  }
  t.match(image.provenance?.settings, { kind: 'inpainting', paddingMaskCrop: 4 });

  const { pixels } = await pipeline.inpaint({ ...options, output: 'pixels' });
  t.same(pixels?.shape, [1, 3, 96, 128]);
});

t.test('paddingMaskCrop works with several prompts, and at the image’s own size', async (t) => {
  using pipeline = await loadTinyPipeline();
  const prompt = ['effusion', 'no finding'];
  const options = { ...base, prompt, seed: [3, 4], image: large, mask: square, paddingMaskCrop: 0 };
  const { images, latents } = await pipeline.inpaint(options);
  t.same(
    latents.shape.slice(2).map((length) => length * pipeline.vae.downscale),
    [96, 128],
  );
  t.equal(images.length, 2);
  t.notSame(images[0]?.data, images[1]?.data);
  t.equal(images[1]?.data[0], large.data[0]);
});

t.test('a mask’s grey shares between the painted and the original', async (t) => {
  using pipeline = await loadTinyPipeline();
  const half = new Image({ ...square, data: Uint8Array.from(square.data, (v) => (v ? 153 : 0)) });
  // With a padding of 3 no latent lies on the white part's border, where grey falls below the middle.
  const options = { ...base, image: large, paddingMaskCrop: 3, size: { width: 64, height: 64 } };
  const whole = (await pipeline.inpaint({ ...options, mask: square })).images[0] as Image;
  const shared = (await pipeline.inpaint({ ...options, mask: half })).images[0] as Image;
  for (let i = 0; i < 128 * 96; i++) {
    if (!isWhite(i)) continue;
    const expected = 0.6 * (whole.data[i * 3] as number) + 0.4 * (large.data[i] as number);
    if (Math.abs((shared.data[i * 3] as number) - expected) > 1.5) t.fail(`pixel ${i}`);
  }
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
  const black = new Image({ width: 64, height: 64, channels: 1, data: new Uint8Array(64 * 64) });
  const nan = Tensor.from(new Float32Array(64 * 64).fill(Number.NaN), { shape: [1, 1, 64, 64] });
  const wrong: [object, string, RegExp][] = [
    [{ mask: undefined }, 'ERR_INVALID_ARG', /mask/],
    [{ mask: small }, 'ERR_SHAPE', /mask: expected \[1, 1, 64, 64\], as the image/],
    [{ mask: Tensor.zeros([1, 3, 64, 64]) }, 'ERR_SHAPE', /mask: expected a tensor \[N, 1, H, W\]/],
    [{ mask: [mask, mask, mask] }, 'ERR_SHAPE', /mask/],
    [{ mask: nan }, 'ERR_NON_FINITE', /NaN/],
    [{ keepUnmasked: 'yes' }, 'ERR_INVALID_ARG', /keepUnmasked/],
    [{ strength: 0.1 }, 'ERR_INVALID_ARG', /less than one step/],
    [{ paddingMaskCrop: -1 }, 'ERR_INVALID_ARG', /paddingMaskCrop/],
    [{ paddingMaskCrop: 1.5 }, 'ERR_INVALID_ARG', /paddingMaskCrop/],
    [{ paddingMaskCrop: 4, image: [grey, grey] }, 'ERR_INVALID_ARG', /image: expected one Image/],
    [{ paddingMaskCrop: 4, mask: small }, 'ERR_INVALID_ARG', /mask: expected one Image/],
    [{ paddingMaskCrop: 4, mask: black }, 'ERR_INVALID_ARG', /mask: expected a white part/],
    [{ paddingMaskCrop: 4, mask: square }, 'ERR_INVALID_ARG', /mask: expected 64×64 pixels/],
    [{ paddingMaskCrop: 4, size: { width: 63, height: 64 } }, 'ERR_SHAPE', /multiples of/],
  ];
  for (const [options, code, message] of wrong) {
    await t.rejects(pipeline.inpaint({ ...base, ...options } as never), { code, message });
  }
  const reason = new Error('enough');
  await t.rejects(pipeline.inpaint({ ...base, signal: AbortSignal.abort(reason) }), reason);
});
