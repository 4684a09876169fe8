import { type ClassifierTrainer, Image, type LabelledImage } from '../../src/index.js';

/** Logistic regression on the means of 4×4 fields: learns real figures in milliseconds. */
export function toyTrainer(digest = 'toy 1'): ClassifierTrainer & { trainings: number } {
  const trainer = {
    digest,
    trainings: 0,
    async train({ samples, labels, from, share }: Parameters<ClassifierTrainer['train']>[0]) {
      trainer.trainings += 1;
      const inputs = await Promise.all(samples.map(featuresOf));
      const weights = (from as Toy | undefined)?.weights.map((row) => [...row]);
      const toy = new Toy(weights ?? labels.map(() => new Array(17).fill(0)));
      for (let step = 0; step < 200 * share; ++step) {
        for (const [label, name] of labels.entries()) {
          const row = toy.weights[label] as number[];
          const slope = new Array(17).fill(0);
          for (const [at, { labels: truth }] of samples.entries()) {
            const wanted = truth[name] as number;
            if (wanted < 0) continue;
            const input = inputs[at] as number[];
            const error = probability(row, input) - wanted;
            for (const [i, value] of input.entries()) slope[i] += (error * value) / samples.length;
          }
          for (const i of row.keys()) row[i] = (row[i] as number) - 2 * slope[i];
        }
      }
      return toy;
    },
  };
  return trainer;
}

class Toy {
  readonly weights: number[][];

  constructor(weights: number[][]) {
    this.weights = weights;
  }

  async predict(images: readonly LabelledImage[]): Promise<number[][]> {
    const inputs = await Promise.all(images.map(featuresOf));
    return inputs.map((input) => this.weights.map((row) => probability(row, input)));
  }
}

function probability(weights: readonly number[], input: readonly number[]): number {
  const sum = weights.reduce((total, weight, i) => total + weight * (input[i] as number), 0);
  return 1 / (1 + Math.exp(-sum));
}

async function featuresOf({ image }: LabelledImage): Promise<number[]> {
  const { pixels, width, height, channels } =
    image instanceof Image ? image : await Image.read(image);
  const sums = new Array(17).fill(0);
  for (let y = 0; y < height; ++y) {
    for (let x = 0; x < width; ++x) {
      const field = Math.floor((y * 4) / height) * 4 + Math.floor((x * 4) / width);
      sums[field] +=
        ((pixels[(y * width + x) * channels] as number) - 0.4) * ((16 * 4) / (width * height));
    }
  }
  sums[16] = 1;
  return sums;
}
