import t from 'tap';
import { Autoencoder, Image, type StepEvent } from '../../src/index.js';
import {
  committedCase,
  relativeError,
  scalar,
  schedulerConfig,
  tensor,
} from '../support/golden.js';
import { recipeFolder } from '../support/recipe.js';
import { loadTinyPipeline, quick } from '../support/tiny-pipeline.js';

const latentsOf = { ...quick, output: 'latents' } as const;

t.test('timesteps and sigmas of the caller’s choice are those of the run', async (t) => {
  using pipeline = await loadTinyPipeline({ scheduler: 'euler' });
  const visited: number[] = [];
  const onStep = ({ timestep }: StepEvent) => visited.push(timestep);
  const { steps, ...rest } = latentsOf;
  await pipeline.generate({ ...rest, timesteps: [900, 500, 20], onStep });
  t.same(visited, [900, 500, 20]);
  const scheduler = pipeline.scheduler.as('euler');
  scheduler.setTimesteps(4);
  const usual = await pipeline.generate({ ...rest, steps: 4 });
  const sigmas = await pipeline.generate({ ...rest, sigmas: scheduler.sigmas ?? [] });
  t.ok(
    (await relativeError(sigmas.latents, usual.latents)) < 1e-4,
    'the same levels, the same picture',
  );
  const { images } = await pipeline.generate({ ...quick, steps: undefined, timesteps: [900, 20] });
  t.same(images[0]?.provenance?.settings?.timesteps, [900, 20]);
  for (const wrong of [
    { steps: 2, timesteps: [900, 20] },
    { timesteps: [20, 900] },
    { timesteps: [] },
    { timesteps: [5000, 20] },
    { sigmas: [1] },
    { sigmas: [Number.NaN, 0] },
  ]) {
    await t.rejects(pipeline.generate({ ...rest, steps: undefined, ...wrong }), {
      code: 'ERR_INVALID_ARG',
    });
  }
});

t.test('guidance stops outside of its interval', async (t) => {
  using pipeline = await loadTinyPipeline({ scheduler: 'ddim' });
  const options = { ...latentsOf, steps: 4 };
  const guided = await pipeline.generate(options);
  const whole = await pipeline.generate({ ...options, guidanceInterval: [0, 1] });
  t.same(whole.latents.data(), guided.latents.data());
  const never = await pipeline.generate({ ...options, guidanceInterval: [0, 0.1] });
  const none = await pipeline.generate({ ...options, guidanceScale: 1 });
  t.ok((await relativeError(never.latents, none.latents)) < 1e-5);
  // From the middle on: the first half as without guidance, the second as with it.
  const half = await pipeline.generate({
    ...options,
    guidanceScale: 1,
    onStep: ({ step, interrupt }) => step === 2 && interrupt(),
  });
  const { latents, nextStep: startStep } = half;
  const rest = await pipeline.generate({ ...options, latents, startStep });
  const late = await pipeline.generate({ ...options, guidanceInterval: [0.5, 1] });
  t.ok((await relativeError(late.latents, rest.latents)) < 1e-5);
  for (const guidanceInterval of [[0.5], [0.8, 0.2], [-1, 1], [0, 2], 0.5]) {
    await t.rejects(pipeline.generate({ ...options, guidanceInterval } as never), {
      code: 'ERR_INVALID_ARG',
      message: /guidanceInterval/,
    });
  }
});

t.test('a network that takes the guidance scale as an input equals diffusers', async (t) => {
  using pipeline = await loadTinyPipeline({ unet: await recipeFolder('recipe-lcm') });
  t.equal(pipeline.unet.timeCondProjDim, 16);
  const reference = await committedCase('recipe-lcm/txt2img');
  const { metadata } = reference;
  const { latents } = await pipeline.generate({
    prompt: JSON.parse(metadata.prompts ?? ''),
    steps: Number(metadata.steps),
    guidanceScale: Number(metadata.guidance_scale),
    width: Number(metadata.width),
    height: Number(metadata.height),
    latents: tensor(reference, 'latents_in'),
    seed: Number(metadata.generator_seed),
    scheduler: schedulerConfig(reference),
    output: 'latents',
  });
  const error = await relativeError(latents, tensor(reference, 'latents_out'));
  t.ok(error <= 1e-4, `${error}`);
});

t.test('an interrupted run keeps its latents and can go on', async (t) => {
  for (const scheduler of ['ddim', 'euler', 'heun']) {
    using pipeline = await loadTinyPipeline({ scheduler });
    const options = { ...latentsOf, steps: 4 };
    const whole = await pipeline.generate(options);
    const steps: number[] = [];
    const half = await pipeline.generate({
      ...options,
      onStep: ({ step, interrupt }) => {
        steps.push(step);
        if (step === 1) interrupt();
      },
    });
    const order = pipeline.scheduler.order;
    t.same([half.nextStep, steps.length], [order, order], scheduler);
    const { latents, nextStep } = half;
    const rest = await pipeline.generate({ ...options, latents, startStep: nextStep });
    t.equal(rest.nextStep, undefined);
    t.ok((await relativeError(rest.latents, whole.latents)) < 1e-5, scheduler);
  }
});

t.test('an interrupted run gives its picture, which says so', async (t) => {
  using pipeline = await loadTinyPipeline();
  const { images, nextStep } = await pipeline.generate({
    ...quick,
    steps: 3,
    onStep: (event) => event.interrupt(),
  });
  t.equal(nextStep, 1);
  t.match(images, [{ width: 64, provenance: { settings: { interruptedAtStep: 1 } } }]);
  const last = await pipeline.generate({
    ...latentsOf,
    scheduler: 'ddim',
    onStep: ({ step, steps, interrupt }) => step === steps && interrupt(),
  });
  t.equal(last.nextStep, undefined, 'after the last step nothing is left');
});

t.test('a start in the middle is checked', async (t) => {
  using pipeline = await loadTinyPipeline({ scheduler: 'heun' });
  const { latents } = await pipeline.generate(latentsOf);
  for (const startStep of [1, 99]) {
    await t.rejects(pipeline.generate({ ...latentsOf, latents, startStep }), {
      code: 'ERR_INVALID_ARG',
      message: /startStep: expected less than 3 and a multiple of 2/,
    });
  }
  await t.rejects(pipeline.generate({ ...latentsOf, startStep: 2 }), {
    code: 'ERR_INVALID_ARG',
    message: /latents/,
  });
});

t.test('a step can be looked at through a quick autoencoder', async (t) => {
  using pipeline = await loadTinyPipeline();
  using preview = await Autoencoder.load(await recipeFolder('recipe-taesd'));
  const seen: Image[] = [];
  const onStep = async (event: StepEvent) => {
    if (event.step > 1) return;
    seen.push(...(await event.preview()));
  };
  await pipeline.generate({ ...latentsOf, imagesPerPrompt: 2, preview, onStep });
  t.match(seen, [
    { width: 64, height: 64, provenance: { synthetic: true, settings: { previewOfStep: 1 } } },
    { width: 64, height: 64, provenance: { settings: { batchIndex: 1 } } },
  ]);
  seen.length = 0;
  await pipeline.generate({ ...latentsOf, onStep });
  t.equal(seen.length, 1, 'the pipeline’s own autoencoder serves where none is given');
  await t.rejects(pipeline.generate({ ...latentsOf, preview: {} } as never), {
    code: 'ERR_INVALID_ARG',
    message: /preview/,
  });
});

t.test('a safety checker is asked, and its word is kept', async (t) => {
  const asked: number[] = [];
  using pipeline = await loadTinyPipeline({
    safetyChecker: async (images) => {
      asked.push(images.length);
      return images.map((image, index) => image instanceof Image && index === 1);
    },
  });
  const { images, flagged } = await pipeline.generate({ ...quick, imagesPerPrompt: 2 });
  t.same(flagged, [false, true]);
  t.ok(images[0]?.data.some((value) => value > 0));
  t.ok(images[1]?.data.every((value) => value === 0));
  const { pixels } = await pipeline.generate({ ...quick, imagesPerPrompt: 2, output: 'pixels' });
  if (!pixels) throw new Error('no pixels');
  t.equal(await scalar((await pixels.slice(0, 1, 2)).sum()), 0);
  t.equal((await pipeline.generate(latentsOf)).flagged, undefined);
  t.same(asked, [2, 2]);
  using plain = await loadTinyPipeline();
  t.equal((await plain.generate(quick)).flagged, undefined, 'nothing is checked unasked');
});

t.test('a safety checker that says nothing sensible ends the call', async (t) => {
  for (const answer of [undefined, 'no', [], [true, false], [1]]) {
    using pipeline = await loadTinyPipeline({ safetyChecker: () => answer as never });
    await t.rejects(pipeline.generate(quick), {
      code: 'ERR_INVALID_ARG',
      message: /safetyChecker\(\)/,
    });
  }
  const own = new Error('mine');
  using pipeline = await loadTinyPipeline({
    safetyChecker: () => {
      throw own;
    },
  });
  await t.rejects(pipeline.generate(quick), own);
  await t.rejects(loadTinyPipeline({ safetyChecker: 7 } as never), { code: 'ERR_INVALID_ARG' });
});
