// A sampler written in TypeScript: Euler's method over the noise levels of Karras et al., "Elucidating the
// Design Space of Diffusion-Based Generative Models" (2022). It gives the same latents as the scheduler
// `euler` of a model that predicts the noise; change `step` to try an idea of your own.
//
//   node examples/custom-scheduler.ts <pipeline folder>
import { type CustomScheduler, Pipeline, type Steps, type Tensor } from 'latentray';

const [model] = process.argv.slice(2);
if (!model) throw new Error('usage: custom-scheduler.ts <pipeline folder>');

class Euler implements CustomScheduler {
  readonly #levels: readonly number[]; // σ of each training timestep, ascending
  timesteps: number[] = [];
  #sigmas: number[] = [];

  constructor({ beta_start: first, beta_end: last, num_train_timesteps: count }: ScaledLinear) {
    let kept = 1; // the signal's share of the variance, ᾱ
    this.#levels = Array.from({ length: count }, (_, t) => {
      const root = Math.sqrt(first) + (t / (count - 1)) * (Math.sqrt(last) - Math.sqrt(first));
      kept *= 1 - root * root;
      return Math.sqrt((1 - kept) / kept);
    });
  }

  setTimesteps(steps: Steps): void {
    if (typeof steps !== 'number') throw new Error('this sampler takes a number of steps');
    const stride = Math.floor(this.#levels.length / steps);
    this.timesteps = Array.from({ length: steps }, (_, i) => (steps - 1 - i) * stride + 1);
    this.#sigmas = [...this.timesteps.map((t) => this.#levels[t] ?? 0), 0];
  }

  get initNoiseSigma(): number {
    return Math.sqrt((this.#sigmas[0] ?? 0) ** 2 + 1);
  }

  scaleModelInput(sample: Tensor, index: number): Promise<Tensor> {
    return sample.div(Math.sqrt((this.#sigmas[index] ?? 0) ** 2 + 1));
  }

  /** dx/dσ is the predicted noise: go along it to the next level. */
  async step(predictedNoise: Tensor, index: number, sample: Tensor): Promise<Tensor> {
    const distance = (this.#sigmas[index + 1] ?? 0) - (this.#sigmas[index] ?? 0);
    return sample.add(await predictedNoise.mul(distance));
  }
}

interface ScaledLinear {
  readonly beta_start: number;
  readonly beta_end: number;
  readonly num_train_timesteps: number;
}

const pipeline = await Pipeline.load(model);
const euler = pipeline.scheduler.as('euler', { timestep_spacing: 'leading', steps_offset: 1 });
const options = {
  prompt: 'A photo of a lung x-ray',
  seed: 42,
  steps: 10,
  output: 'latents',
} as const;
const mine = await pipeline.generate({
  ...options,
  scheduler: new Euler(euler.config as unknown as ScaledLinear),
});
const ours = await pipeline.generate({ ...options, scheduler: euler });
const difference = await (await mine.latents.sub(ours.latents)).norm();
const size = await ours.latents.norm();
console.log(`relative difference ${Number(difference.data()[0]) / Number(size.data()[0])}`);
pipeline.dispose();
