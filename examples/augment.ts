// A set of synthetic images, and batches of real and synthetic ones for a training loop of your own.
//
//   node examples/augment.ts <pipeline folder> <folder of real images> <output folder> [steps] [resolution]
import { augment, Dataset, openTrainingData, SampleOrder, stepSamples } from 'latentray';

const [model, folder, out, steps = '50', resolution = '512'] = process.argv.slice(2);
if (!model || !folder || !out) {
  throw new Error('usage: augment.ts <pipeline> <real images> <output> [steps] [resolution]');
}

const side = Number(resolution);
const real = Dataset.folder(folder);
const { labels, reasons } = await augment({
  pipeline: model,
  dataset: real,
  plan: 'balance', // as many images of each label as of the one with most
  out,
  generation: { steps: Number(steps), guidanceScale: 4, width: side, height: side },
  onProgress: ({ phase, done, total, imagesPerSecond, secondsLeft }) => {
    const left = Number.isFinite(secondsLeft) ? `, ${Math.ceil(secondsLeft)} s left` : '';
    console.error(`${phase} ${done}/${total}, ${imagesPerSecond.toFixed(2)} a second${left}`);
  },
});
for (const [label, { planned, accepted, rejected }] of Object.entries(labels)) {
  console.log(`${label}: ${accepted} of ${planned} images, ${rejected} attempts rejected`);
}
console.log('rejected for', reasons);

// A synthetic image counts half as much as a real one here; what is best, a validation set has to say.
async function* both() {
  for await (const record of real.filter({ split: 'train' })) {
    yield { image: record.image, text: record.text, id: record.id };
  }
  for await (const record of Dataset.folder(out as string)) {
    yield { image: record.image, text: record.text, id: record.id, weight: 0.5 };
  }
}

using data = await openTrainingData(both(), { resolution: side });
const order = new SampleOrder(0, data.length);
function* requests() {
  for (let step = 0; step < 2; step++) {
    const [sampleNumbers = []] = stepSamples({ step, batchSize: 4 });
    yield { step, sampleNumbers, indices: sampleNumbers.map((n) => order.indexOf(n)) };
  }
}
for await (using batch of data.prefetch(requests(), { ahead: 2 })) {
  console.log(`step ${batch.step}: pixels ${batch.pixels.shape.join('×')}`, batch.texts);
  // … your trainer's step
}
