// The figures of the default model's card, on the test split, which nothing was trained or chosen on.
//
//   node models/recipe/quality.mjs DATA WORK [--model models/default] [--guidance 2] [--steps 25]
//
// DATA is the folder with metadata.jsonl. WORK keeps the classifier and the images, so that a run that was stopped goes
// on. Prints the figures, and writes them to WORK/quality.json. `--split val --only generated` is what a checkpoint or
// a guidance is chosen by; `--every 3` looks at a third of the images.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  Autoencoder,
  Classifier,
  FeatureStatistics,
  fitImage,
  Image,
  metrics,
  Pipeline,
  reconstruct,
  Tensor,
  trainClassifier,
} from 'latentray';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: join(root, 'models/default') },
    guidance: { type: 'string', default: '2' },
    steps: { type: 'string', default: '25' },
    split: { type: 'string', default: 'test' },
    only: { type: 'string' },
    every: { type: 'string', default: '1' },
  },
});
const [data, work] = positionals;
if (!data || !work) throw new Error('usage: node models/recipe/quality.mjs DATA WORK');
const generation = { guidanceScale: Number(values.guidance), steps: Number(values.steps) };
const side = 256;
/** Images of each prompt that a classifier is asked about. */
const imagesOfPrompt = 32;
/** Halves of the real images that the floor of a distance is the mean of. */
const floorDraws = 5;
const agreementPrompts = {
  effusion: {
    source: 'nih',
    label: 'Effusion',
    positive: 'A photo of a lung x-ray with a visible pleural effusion.',
    negative: 'A photo of a lung x-ray with no finding.',
  },
  'paediatric pneumonia': {
    source: 'kermany',
    label: 'Pneumonia',
    positive: 'A photo of a pediatric lung x-ray with a visible pneumonia.',
    negative: 'A photo of a pediatric lung x-ray with no finding.',
  },
};

mkdirSync(work, { recursive: true });
const rows = readFileSync(join(data, 'metadata.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
const trained = rows.filter(({ split }) => split === 'train');
const held = rows
  .filter(({ split }) => split === values.split)
  .filter((_, n) => n % Number(values.every) === 0);

const classifier = await openClassifier();
const pipeline = await Pipeline.load(values.model);
const images = { held: await realImages(held) };
const features = { held: await featuresOf(images.held) };
const made = await generated(
  'captions',
  held.map(({ text }) => text),
);
const madeFeatures = await featuresOf(made);

const found = { split: values.split, model: await pipeline.digest(), ...generation };
if (values.only === 'generated') {
  found.frechet = { n: held.length, generated: await distance(madeFeatures) };
} else {
  images.trained = await realImages(trained);
  features.trained = await featuresOf(images.trained);
  found.frechet = await distances();
  found.reconstruction = await reconstructions();
  found.agreement = await agreement();
  found.nearest = await nearestTraining();
}
pipeline.dispose();
classifier.dispose();
writeFileSync(join(work, 'quality.json'), `${JSON.stringify(found, undefined, 2)}\n`);
console.log(JSON.stringify(found, undefined, 2));

/** Trained on the train split of all sources; chosen by the AUROC on the validation split. */
async function openClassifier() {
  const output = join(work, 'classifier');
  if (!existsSync(join(output, 'result', 'config.json'))) {
    const names = [...new Set(rows.flatMap(({ labels }) => labels))].sort();
    const splits = { train: 'train', val: 'validation', test: 'test' };
    const dataset = rows.map((row) => ({
      id: row.file_name,
      patient: row.patient_id,
      image: join(data, row.file_name),
      split: splits[row.split],
      labels: {
        'No Finding': row.normal ? 1 : 0,
        ...Object.fromEntries(names.map((name) => [name, row.labels.includes(name) ? 1 : 0])),
      },
    }));
    const { test } = await trainClassifier({
      dataset,
      output,
      network: {
        image_size: 96,
        embedding_size: 16,
        hidden_sizes: [16, 32, 64, 128],
        depths: [1, 1, 1, 1],
      },
      epochs: 25,
      learningRate: 0.002,
      onEpoch: ({ epoch, loss, auroc }) =>
        console.error(`epoch ${epoch}: ${loss.toFixed(3)}, AUROC ${auroc.toFixed(3)}`),
    });
    for (const { label, auroc } of test.labels) console.error(label, auroc.value.toFixed(3));
  }
  return Classifier.load(join(output, 'result'));
}

async function realImages(of) {
  const all = [];
  for (const { file_name } of of) {
    const image = await Image.read(join(data, file_name));
    all.push(await fitImage(image, { width: side, height: side, fit: 'centre-crop' }));
  }
  return all;
}

/** [N, D] */
async function featuresOf(of) {
  return (await classifier.classify(of)).map(({ features }) => features);
}

/** An image of each prompt, its seed its number; those of an earlier start are read. */
async function generated(name, prompts) {
  const { guidanceScale, steps } = generation;
  const folder = join(work, [name, values.split, values.every, guidanceScale, steps].join('-'));
  mkdirSync(folder, { recursive: true });
  const all = [];
  for (let first = 0; first < prompts.length; first += 4) {
    const numbers = [first, first + 1, first + 2, first + 3].filter((n) => n < prompts.length);
    const paths = numbers.map((n) => join(folder, `${n}.png`));
    if (!paths.every((path) => existsSync(path))) {
      const result = await pipeline.generate({
        prompt: numbers.map((n) => prompts[n]),
        seed: numbers,
        ...generation,
      });
      for (const [i, image] of result.images.entries()) await image.save(paths[i]);
    }
    for (const path of paths) all.push(await Image.read(path));
    console.error(`${name}: ${all.length} of ${prompts.length}`);
  }
  return all;
}

/** To the held-out real images. */
async function distance(others) {
  const [real, set] = [await statistics(features.held), await statistics(others)];
  return (await metrics.frechetDistance(real, set)).value;
}

async function distances() {
  const floors = [];
  for (let draw = 0; draw < floorDraws; draw++) {
    floors.push(await distance(sample(features.trained, held.length, draw)));
  }
  const floor = floors.reduce((sum, value) => sum + value, 0) / floors.length;
  const blurred = [];
  for (const image of images.held) {
    const small = await fitImage(image, { width: 16, height: 16, fit: 'stretch' });
    blurred.push(await fitImage(small, { width: side, height: side, fit: 'stretch' }));
  }
  const noisy = held.map((_, n) => noiseImage(n));
  return {
    n: held.length,
    generated: await distance(madeFeatures),
    realTrain: floor,
    blurred: await distance(await featuresOf(blurred)),
    noise: await distance(await featuresOf(noisy)),
  };
}

/** Grey noise about the middle. */
function noiseImage(seed) {
  const draw = randomNumbers(seed);
  const pixels = Float32Array.from({ length: side * side }, () => draw() / 2 ** 32);
  return Image.fromPixels(pixels, { width: side, height: side, channels: 1 });
}

async function statistics(features) {
  const all = new FeatureStatistics();
  const flat = Float32Array.from(features.flatMap((row) => [...row]));
  const tensor = Tensor.from(flat, { shape: [features.length, features[0].length] });
  await all.add(tensor);
  tensor.dispose();
  return all;
}

/** So many of them, in an order that is the seed's. */
function sample(all, count, seed) {
  const draw = randomNumbers(seed);
  return all
    .map((value) => ({ value, rank: draw() }))
    .sort((a, b) => a.rank - b.rank)
    .slice(0, count)
    .map(({ value }) => value);
}

/** Whole numbers below 2³² (mulberry32). */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

async function reconstructions() {
  const vae = await Autoencoder.load(join(values.model, 'vae'));
  const psnr = [];
  for (const original of images.held) {
    const [restored] = await reconstruct(vae, [original]);
    psnr.push(...(await metrics.psnr(original, restored)));
  }
  vae.dispose();
  return { n: psnr.length, psnr: psnr.reduce((sum, value) => sum + value, 0) / psnr.length };
}

/** The classifier's AUROC between images of two prompts, beside that between real test images of the same source. */
async function agreement() {
  const all = {};
  for (const [name, { source, label, positive, negative }] of Object.entries(agreementPrompts)) {
    const prompts = [positive, negative].flatMap((text) => Array(imagesOfPrompt).fill(text));
    const scores = await scoresOf(await generated(name, prompts), label);
    const asked = prompts.map((text) => (text === positive ? 1 : 0));
    const real = held.flatMap((row, n) =>
      row.source === source && (row.normal || row.labels.includes(label)) ? [n] : [],
    );
    const realScores = await scoresOf(
      real.map((n) => images.held[n]),
      label,
    );
    const present = real.map((n) => (held[n].normal ? 0 : 1));
    all[name] = {
      generated: await ranked(asked, scores),
      real: await ranked(present, realScores),
    };
  }
  return all;
}

async function scoresOf(of, label) {
  const at = classifier.labels.indexOf(label);
  return (await classifier.classify(of)).map(({ probabilities }) => probabilities[at]);
}

async function ranked(labels, scores) {
  const { value, lower, upper, positives, negatives } = await metrics.auroc(
    Float32Array.from(labels),
    Float32Array.from(scores),
    { bootstrap: true },
  );
  return { auroc: value, lower, upper, positives, negatives };
}

/** How near generated images come to training images, beside test images of other patients. */
async function nearestTraining() {
  const spaces = {
    features: [features.trained, features.held, madeFeatures],
    pixels: [
      await thumbnails(images.trained),
      await thumbnails(images.held),
      await thumbnails(made),
    ],
  };
  return Object.fromEntries(
    Object.entries(spaces).map(([name, [reference, real, synthetic]]) => {
      const usual = nearest(real, reference).sort((a, b) => a - b);
      const limit = usual[Math.ceil(usual.length * 0.99) - 1];
      const found = nearest(synthetic, reference);
      const nearer = found.filter((value) => value > limit).length;
      return [
        name,
        { limit, largestReal: usual.at(-1), largest: Math.max(...found), nearer, n: found.length },
      ];
    }),
  );
}

/** Pixels at 32 × 32 without their mean, so that the cosine is the correlation. */
async function thumbnails(of) {
  const all = [];
  for (const image of of) {
    const { pixels } = await fitImage(image, { width: 32, height: 32, fit: 'stretch' });
    const channels = pixels.length / 1024;
    const grey = Float32Array.from({ length: 1024 }, (_, i) => pixels[i * channels]);
    const mean = grey.reduce((sum, value) => sum + value, 0) / grey.length;
    all.push(grey.map((value) => value - mean));
  }
  return all;
}

/** Of each row the largest cosine with a row of the reference. */
function nearest(of, reference) {
  const unit = (row) => {
    const length = Math.hypot(...row);
    return row.map((value) => value / length);
  };
  const known = reference.map(unit);
  return of.map(unit).map((row) => {
    let best = -1;
    for (const other of known) {
      let cosine = 0;
      for (let i = 0; i < row.length; i++) cosine += row[i] * other[i];
      if (cosine > best) best = cosine;
    }
    return best;
  });
}
