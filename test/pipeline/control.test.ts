import { statSync } from 'node:fs';
import t from 'tap';
import {
  ControlNet,
  type CustomScheduler,
  Image,
  nativeMemory,
  type Pipeline,
  Tensor,
} from '../../src/index.js';
import { committedCase, relativeError, schedulerConfig, tensor } from '../support/golden.js';
import { recipeFolder } from '../support/recipe.js';
import { loadTinyPipeline, quick } from '../support/tiny-pipeline.js';

const controlNet = await recipeFolder('recipe-controlnet');

t.test('controlled runs equal diffusers', async (t) => {
  using pipeline = await loadTinyPipeline({ controlNet });
  const reference = await committedCase('recipe-controlnet/pipeline');
  const { metadata } = reference;
  const image = tensor(reference, 'structure');
  const scale = Number(metadata.scale);
  const window = { start: Number(metadata.start), end: Number(metadata.end) };
  const common = {
    prompt: JSON.parse(metadata.prompts ?? ''),
    steps: Number(metadata.steps),
    guidanceScale: Number(metadata.guidance_scale),
    seed: Number(metadata.generator_seed),
    scheduler: schedulerConfig(reference),
    output: 'latents',
  } as const;
  const size = { width: 64, height: 32 };
  const results = {
    txt2img: await pipeline.generate({ ...common, ...size, control: { image, scale } }),
    windowed: await pipeline.generate({ ...common, ...size, control: { image, scale, ...window } }),
    img2img: await pipeline.imageToImage({
      ...common,
      image: tensor(reference, 'image_in'),
      strength: Number(metadata.strength),
      control: [{ image, scale }],
    }),
  };
  for (const [name, { latents }] of Object.entries(results)) {
    const error = await relativeError(latents, tensor(reference, name));
    t.ok(error <= 1e-4, `${name}: ${error}`);
  }
});

const structure = Image.fromPixels(
  Float32Array.from({ length: 64 * 64 }, (_, i) => (i % 8) / 8),
  {
    width: 64,
    height: 64,
    channels: 1,
  },
);

t.test('V8 is told what a run makes the U-Net and its ControlNet hold', async (t) => {
  const pipeline = await loadTinyPipeline({ controlNet });
  const [control] = pipeline.controlNets;
  if (!control) throw new Error('no ControlNet');
  const loaded = nativeMemory().bytes;
  const { latents } = await pipeline.generate({
    ...quick,
    control: { image: structure },
    output: 'latents',
  });
  const run = nativeMemory().bytes - latents.byteLength;
  pipeline.unet.dispose();
  const without = nativeMemory().bytes;
  control.dispose();
  const file = control.weightFiles.reduce((sum, path) => sum + statSync(path).size, 0);
  t.ok(run > loaded, 'the weights that were reordered count');
  t.ok(without - nativeMemory().bytes > file, 'and are given back with their model');
  pipeline.dispose();
});

t.test('control is part of the provenance, and works while inpainting', async (t) => {
  using pipeline = await loadTinyPipeline({ controlNet });
  const { prompt, seed, steps } = quick;
  const mask = await Tensor.zeros([1, 1, 64, 64]).add(1);
  const control = { image: structure, scale: 0.5, end: 0.5 };
  const options = { image: structure, mask, prompt, seed, steps };
  const { images, latents } = await pipeline.inpaint({ ...options, control });
  t.match(images[0]?.provenance?.settings, {
    control: [{ modelDigest: /^sha256:/, image: /^sha256:/, scale: 0.5, start: 0, end: 0.5 }],
  });
  const free = await pipeline.inpaint(options);
  t.ok((await relativeError(free.latents, latents)) > 1e-3);
});

/** A predictor's step as diffusers' pipelines define guess mode, from the models alone. */
async function guessed(pipeline: Pipeline, guidanceScale: number) {
  const [controlNet] = pipeline.controlNets as [ControlNet];
  const sample = await Tensor.randn([1, 4, 8, 8], { seed: 5 });
  const timestep = 999;
  const states = async (prompt: string) =>
    (await pipeline.textEncoder.encode(prompt)).lastHiddenState;
  const [positive, negative] = [await states(quick.prompt), await states('')];
  const image = Tensor.from(
    Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => (i % 8) / 8),
    { shape: [1, 3, 64, 64] },
  );
  const inputs = { sample, timestep, encoderHiddenStates: positive };
  const whole = await controlNet.forward({ ...inputs, image });
  const count = whole.down.length;
  const grown = whole.down.map((residual, index) => residual.mul(0.8 * 10 ** (index / count - 1)));
  const controlResiduals = { down: await Promise.all(grown), mid: await whole.mid.mul(0.8) };
  const steered = await pipeline.unet.forward({ ...inputs, controlResiduals });
  if (guidanceScale <= 1) return { sample, image, expected: steered };
  const free = await pipeline.unet.forward({ ...inputs, encoderHiddenStates: negative });
  const difference = await (await steered.add(await free.mul(-1))).mul(guidanceScale);
  return { sample, image, expected: await free.add(difference) };
}

t.test('guess mode steers the prompt’s half alone, more weakly at the top', async (t) => {
  using pipeline = await loadTinyPipeline({ controlNet });
  for (const guidanceScale of [1, 4]) {
    const { sample, image, expected } = await guessed(pipeline, guidanceScale);
    let output: Tensor | undefined;
    const scheduler: CustomScheduler = {
      timesteps: [999],
      setTimesteps: () => {},
      step: (prediction, _index, latents) => {
        output = prediction;
        return latents;
      },
    };
    const options = {
      ...quick,
      scheduler,
      guidanceScale,
      latents: sample,
      output: 'latents',
    } as const;
    const control = { image, scale: 0.8 };
    await pipeline.generate({ ...options, control, guessMode: true });
    const error = await relativeError(output as Tensor, expected);
    t.ok(error <= 1e-5, `guidance ${guidanceScale}: ${error}`);
    await pipeline.generate({ ...options, control });
    t.ok((await relativeError(output as Tensor, expected)) > 1e-4, 'which is not the usual mode');
  }
});

t.test('guess mode belongs to control, and to the provenance', async (t) => {
  using pipeline = await loadTinyPipeline({ controlNet });
  const control = { image: structure };
  const { images } = await pipeline.generate({ ...quick, control, guessMode: true });
  t.match(images[0]?.provenance?.settings, { guessMode: true });
  const wrong: [object, RegExp][] = [
    [{ guessMode: true }, /guessMode: expected false without control/],
    [{ control, guessMode: 1 }, /guessMode/],
  ];
  for (const [options, message] of wrong) {
    await t.rejects(pipeline.generate({ ...quick, ...options } as never), {
      code: 'ERR_INVALID_ARG',
      message,
    });
  }
  const [model] = pipeline.controlNets as [ControlNet];
  await t.rejects(model.forward({ guessMode: 'yes' } as never), {
    code: 'ERR_INVALID_ARG',
    message: /guessMode/,
  });
});

t.test('several ControlNets add up', async (t) => {
  using one = await ControlNet.load(controlNet);
  using pipeline = await loadTinyPipeline({ controlNet: [one, controlNet] });
  using single = await loadTinyPipeline({ controlNet });
  const options = { ...quick, output: 'latents' } as const;
  const whole = { image: structure, scale: 1 };
  const half = { image: structure, scale: 0.5 };
  const both = await pipeline.generate({ ...options, control: [half, half] });
  const alone = await single.generate({ ...options, control: whole });
  t.ok((await relativeError(both.latents, alone.latents)) < 1e-4);
});

t.test('misuse is named', async (t) => {
  using pipeline = await loadTinyPipeline({ controlNet });
  const image = structure;
  const wrong: [unknown, string, RegExp][] = [
    [{}, 'ERR_INVALID_ARG', /control/],
    [{ image, scale: 3 }, 'ERR_INVALID_ARG', /control/],
    [{ image, start: 0.5, end: 0.5 }, 'ERR_INVALID_ARG', /control/],
    [{ image, weight: 1 }, 'ERR_INVALID_ARG', /control/],
    [[{ image }, { image }], 'ERR_INVALID_ARG', /each of the pipeline's 1 ControlNets, received 2/],
    [{ image: [image, image] }, 'ERR_INVALID_ARG', /one for each of the 1 images/],
    [{ image: Tensor.zeros([1, 3, 32, 64]) }, 'ERR_SHAPE', /expected 64×64 pixels/],
    [{ image: Tensor.zeros([1, 1, 64, 64]) }, 'ERR_SHAPE', /control\.image/],
  ];
  for (const [control, code, message] of wrong) {
    await t.rejects(pipeline.generate({ ...quick, control } as never), { code, message });
  }
  using plain = await loadTinyPipeline();
  await t.rejects(plain.generate({ ...quick, control: { image } }), {
    code: 'ERR_INVALID_ARG',
    message: /Pipeline\.load\(folder, \{ controlNet \}\)/,
  });
  await t.rejects(loadTinyPipeline({ controlNet: '/nowhere' }), { code: 'ERR_MODEL_NOT_FOUND' });
});
