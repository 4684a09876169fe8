import t from 'tap';
import {
  type CustomScheduler,
  Image,
  type Scheduler,
  type Steps,
  Tensor,
} from '../../src/index.js';
import { relativeError } from '../support/golden.js';
import { loadTinyPipeline, quick } from '../support/tiny-pipeline.js';

/** One of ours behind the interface: what the loop in TypeScript does must be what the native one does. */
class Wrapped implements CustomScheduler {
  readonly name = 'wrapped';
  readonly calls: string[] = [];
  readonly #inner: Scheduler;

  constructor(inner: Scheduler) {
    this.#inner = inner;
  }
  async setTimesteps(steps: Steps) {
    this.calls.push('setTimesteps');
    this.#inner.setTimesteps(steps);
  }
  get timesteps() {
    return this.#inner.timesteps;
  }
  get initNoiseSigma() {
    return this.#inner.initNoiseSigma;
  }
  get order() {
    return this.#inner.order;
  }
  scaleModelInput(...args: Parameters<Scheduler['scaleModelInput']>) {
    return this.#inner.scaleModelInput(...args);
  }
  step(...args: Parameters<Scheduler['step']>) {
    this.calls.push('step');
    return this.#inner.step(...args);
  }
  addNoise(...args: Parameters<Scheduler['addNoise']>) {
    return this.#inner.addNoise(...args);
  }
}

const { prompt, seed } = quick;
const image = Image.fromPixels(
  Float32Array.from({ length: 64 * 64 }, (_, i) => (i % 64) / 64),
  {
    width: 64,
    height: 64,
    channels: 1,
  },
);
const mask = Tensor.from(
  Float32Array.from({ length: 64 * 64 }, (_, i) => (i < 2048 ? 0 : 1)),
  { shape: [1, 1, 64, 64] },
);

for (const name of ['ddim', 'euler_ancestral', 'heun', 'dpmpp_2m']) {
  t.test(`${name} behind the interface is ${name}`, async (t) => {
    using pipeline = await loadTinyPipeline();
    const scheduler = new Wrapped(pipeline.scheduler.as(name));
    const common = { prompt, seed, steps: 4, output: 'latents' } as const;
    const kinds = {
      generate: (choice: object) =>
        pipeline.generate({ ...common, ...choice, width: 64, height: 64 }),
      imageToImage: (choice: object) =>
        pipeline.imageToImage({ ...common, ...choice, image, strength: 0.5 }),
      inpaint: (choice: object) =>
        pipeline.inpaint({ ...common, ...choice, image, mask, strength: 0.75 }),
    };
    for (const [kind, run] of Object.entries(kinds)) {
      const own = await run({ scheduler });
      const native = await run({ scheduler: name });
      const error = await relativeError(own.latents, native.latents);
      t.ok(error < 1e-5, `${kind}: ${error}`);
    }
  });
}

t.test('its name stands in the provenance; it can be interrupted and go on', async (t) => {
  using pipeline = await loadTinyPipeline();
  const scheduler = new Wrapped(pipeline.scheduler.as('euler'));
  const options = { ...quick, steps: 4, scheduler };
  const whole = await pipeline.generate(options);
  t.equal(whole.images[0]?.provenance?.settings?.scheduler, 'wrapped');
  const half = await pipeline.generate({
    ...options,
    onStep: ({ step, latents, interrupt }) => {
      latents.dispose(); // a handle of its own
      if (step === 2) interrupt();
    },
  });
  t.equal(half.nextStep, 2);
  const { latents, nextStep } = half;
  const rest = await pipeline.generate({ ...options, latents, startStep: nextStep });
  t.ok((await relativeError(rest.latents, whole.latents)) < 1e-5);
  t.equal(scheduler.calls.filter((call) => call === 'step').length, 4 + 2 + 2);
});

t.test('misuse is named', async (t) => {
  using pipeline = await loadTinyPipeline();
  const wrap = (changes: Partial<CustomScheduler>) =>
    Object.assign(new Wrapped(pipeline.scheduler.as('ddim')), changes);
  const wrong: [CustomScheduler, string, RegExp][] = [
    [
      wrap({ step: () => 7 as never }),
      'ERR_INVALID_ARG',
      /scheduler\.step\(\): expected to give a Tensor/,
    ],
    [wrap({ step: () => Tensor.zeros([1]) }), 'ERR_SHAPE', /scheduler\.step\(\)/],
    [wrap({ scaleModelInput: async () => null as never }), 'ERR_INVALID_ARG', /scaleModelInput/],
    [{ timesteps: [], setTimesteps() {}, step: (x) => x }, 'ERR_INVALID_ARG', /timesteps/],
    [
      { timesteps: [Number.NaN], setTimesteps() {}, step: (x) => x },
      'ERR_INVALID_ARG',
      /timesteps/,
    ],
  ];
  for (const [scheduler, code, message] of wrong) {
    await t.rejects(pipeline.generate({ ...quick, scheduler }), { code, message });
  }
  await t.rejects(pipeline.generate({ ...quick, scheduler: { step() {} } } as never), {
    code: 'ERR_INVALID_ARG',
  });
  const bare: CustomScheduler = { timesteps: [500, 1], setTimesteps() {}, step: (_, __, x) => x };
  await pipeline.generate({ ...quick, scheduler: bare });
  await t.rejects(pipeline.imageToImage({ image, prompt, seed, steps: 2, scheduler: bare }), {
    code: 'ERR_INVALID_ARG',
    message: /scheduler\.addNoise: expected a function/,
  });
  const own = new Error('mine');
  const throwing = wrap({
    step: () => {
      throw own;
    },
  });
  await t.rejects(pipeline.generate({ ...quick, scheduler: throwing }), own);
  const controller = new AbortController();
  const aborting = wrap({
    step: (_, __, x) => {
      controller.abort(own);
      return x;
    },
  });
  const { signal } = controller;
  await t.rejects(pipeline.generate({ ...quick, scheduler: aborting, signal }), own);
  t.equal((await pipeline.generate(quick)).images.length, 1);
});
