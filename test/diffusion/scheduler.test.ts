import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadTensors, NoiseSource, Scheduler, Tensor } from '../../src/index.js';
import { parsePythonJson } from '../../src/json.js';
import { type Case, caseFolders, relativeError, tensor } from '../support/golden.js';

/** The stand-in network of the cases: tanh(x.reshape(4, 16) @ W) + 0.001 t. */
async function network(input: Tensor, weights: Tensor, timestep: number): Promise<Tensor> {
  const hidden = await (await (await input.reshape([4, 16])).matmul(weights)).tanh();
  return (await hidden.add(0.001 * timestep)).reshape(input.shape);
}

function schedulerOf(reference: Case): Scheduler {
  const config = parsePythonJson(reference.metadata.config ?? '', 'case');
  const scheduler = Scheduler.create(config as Record<string, unknown>);
  scheduler.setTimesteps(Number(reference.metadata.steps));
  return scheduler;
}

async function trajectoryError(scheduler: Scheduler, reference: Case): Promise<number> {
  const { eta } = JSON.parse(reference.metadata.step_kwargs ?? '{}');
  const expected = tensor(reference, 'trajectory');
  const [points = 0, ...shape] = expected.shape;
  const at = async (index: number) => (await expected.slice(0, index, index + 1)).reshape(shape);
  const inputs = tensor(reference, 'scaled_inputs');
  const inputAt = async (index: number) => (await inputs.slice(0, index, index + 1)).reshape(shape);
  const noise = new NoiseSource(Number(reference.metadata.generator_seed));
  let sample = await at(0);
  const errors: number[] = [];
  for (let index = 0; index < points - 1; index++) {
    const input = await scheduler.scaleModelInput(sample, index);
    errors.push(await relativeError(input, await inputAt(index)));
    const timestep = scheduler.timesteps[index] ?? Number.NaN;
    const output = await network(input, tensor(reference, 'W'), timestep);
    sample = await scheduler.step(output, index, sample, { noise, ...(eta && { eta }) });
    errors.push(await relativeError(sample, await at(index + 1)));
  }
  return Math.max(...errors);
}

/** The cases noise their two rows to the run's second and fourth timestep. */
async function noisingError(scheduler: Scheduler, reference: Case): Promise<number> {
  const timesteps = [1, 3].map((index) => scheduler.timesteps[index] ?? Number.NaN);
  const [original, noise] = ['x0', 'noise'].map((name) => tensor(reference, `add_noise.${name}`));
  if (!original || !noise) throw new Error('no tensors to noise');
  const noised = await scheduler.addNoise(original, noise, timesteps);
  return relativeError(noised, tensor(reference, 'add_noise.out'));
}

for (const { name, path, skip } of caseFolders) {
  t.test(`every scheduler follows the reference (${name} cases)`, { skip }, async (t) => {
    const folder = join(path, 'schedulers');
    const files = readdirSync(folder);
    t.ok(files.length >= 28);
    for (const file of files) {
      const reference = await loadTensors(join(folder, file));
      using scheduler = schedulerOf(reference);
      const { timesteps } = reference.tensors;
      t.ok(closeTo(scheduler.timesteps, timesteps?.data() ?? []), `${file}: timesteps`);
      const { sigmas } = reference.tensors;
      if (sigmas) t.ok(closeTo(scheduler.sigmas ?? [], sigmas.data()), `${file}: sigmas`);
      const sigma = Number(reference.metadata.init_noise_sigma);
      t.ok(Math.abs(scheduler.initNoiseSigma / sigma - 1) <= 1e-6, `${file}: initNoiseSigma`);
      const noised = await noisingError(scheduler, reference);
      t.ok(noised <= 1e-6, `${file}: addNoise ${noised}`);
      const error = await trajectoryError(scheduler, reference);
      t.ok(error <= 1e-6, `${file}: ${error}`);
    }
  });
}

function closeTo(actual: readonly number[], expected: Iterable<number | bigint>): boolean {
  const values = [...expected].map(Number);
  return (
    actual.length === values.length &&
    values.every(
      (value, i) =>
        Math.abs((actual[i] ?? Number.NaN) - value) <= 1e-6 * Math.max(1, Math.abs(value)),
    )
  );
}

t.test('a scheduler is made by name, with its config', async (t) => {
  using karras = Scheduler.create('dpmpp_2m_karras', { num_train_timesteps: 500 });
  t.match(karras.config, {
    _class_name: 'DPMSolverMultistepScheduler',
    use_karras_sigmas: true,
    num_train_timesteps: 500,
  });
  using ddim = karras.as('ddim');
  t.equal(ddim.config.num_train_timesteps, 500, 'shared keys are kept');
  t.equal(ddim.config.use_karras_sigmas, undefined);
});

t.test('noising and velocity follow their definitions', async (t) => {
  using scheduler = Scheduler.create('ddpm');
  const x0 = await Tensor.randn([2, 4, 4, 4], { seed: 1 });
  const noise = await Tensor.randn([2, 4, 4, 4], { seed: 2 });
  const noisy = await scheduler.addNoise(x0, noise, [10, 900]);
  const velocity = await scheduler.velocity(x0, noise, [10, 900]);
  // x_t² + v² = x0² + ε² for every element, whatever ᾱ.
  const square = async (x: Tensor) => x.mul(x);
  const left = await (await square(noisy)).add(await square(velocity));
  const right = await (await square(x0)).add(await square(noise));
  t.ok((await relativeError(left, right)) < 1e-6);
});

t.test('misuse is named', async (t) => {
  t.throws(() => Scheduler.create('dpm++'), { code: 'ERR_CONFIG_INVALID', message: /dpmpp_2m/ });
  t.throws(() => Scheduler.create({}), { code: 'ERR_INVALID_ARG' });
  t.throws(() => Scheduler.create('ddim', { beta_schedule: 'steep' }), {
    code: 'ERR_CONFIG_INVALID',
    message: /beta_schedule/,
  });
  using scheduler = Scheduler.create('euler_ancestral');
  const x = Tensor.zeros([1, 4, 4, 4]);
  await t.rejects(scheduler.step(x, 0, x), { code: 'ERR_INVALID_ARG', message: /setTimesteps/ });
  t.throws(() => scheduler.setTimesteps(0), { code: 'ERR_INVALID_ARG' });
  scheduler.setTimesteps(5);
  await t.rejects(scheduler.step(x, 5, x), { code: 'ERR_INVALID_ARG' });
  await t.rejects(scheduler.step(x, 0, x), { code: 'ERR_INVALID_ARG', message: /noise/ });
  await t.rejects(scheduler.step(Tensor.zeros([1, 4, 4, 5]), 0, x), { code: 'ERR_SHAPE' });
  for (const timesteps of ['a', [], [Number.NaN], undefined] as never[]) {
    await t.rejects(scheduler.addNoise(x, x, timesteps), {
      code: 'ERR_INVALID_ARG',
      message: /timesteps/,
    });
  }
  await t.rejects(scheduler.step(x, 0, x, { eta: 2 }), { code: 'ERR_INVALID_ARG', message: /eta/ });
  await t.rejects(scheduler.step(x, 0, x, { noise: {} as never }), { code: 'ERR_INVALID_ARG' });
  t.equal(scheduler.disposed, false);
  scheduler.dispose();
  scheduler.dispose();
  t.equal(scheduler.disposed, true);
  await t.rejects(scheduler.step(x, 0, x), { code: 'ERR_DISPOSED' });
  t.throws(() => scheduler.timesteps, { code: 'ERR_DISPOSED' });
  t.throws(() => scheduler.config, { code: 'ERR_DISPOSED' });
  t.throws(() => scheduler.setTimesteps(3), { code: 'ERR_DISPOSED' });
  const noise = new NoiseSource(1);
  t.equal(noise.disposed, false);
  noise.dispose();
  t.equal(noise.disposed, true);
  await t.rejects(noise.randn([1]), { code: 'ERR_DISPOSED' });
});
