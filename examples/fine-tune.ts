// Fine-tunes a pipeline by LoRA on a folder of images and texts, and looks at the result. Ctrl-C writes a checkpoint; the
// same command goes on from it.
//
//   node examples/fine-tune.ts <pipeline folder> <folder with metadata.jsonl> <output folder> [steps] [resolution]
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Pipeline, train } from 'latentray';

const [model, dataset, output, steps = '1000', resolution = '512'] = process.argv.slice(2);
if (!model || !dataset || !output) {
  throw new Error(
    'usage: fine-tune.ts <pipeline> <images and texts> <output> [steps] [resolution]',
  );
}

const controller = new AbortController();
process.once('SIGINT', () => controller.abort(new Error('stopped; start again to go on')));

const side = Number(resolution);
const { result, loss } = await train({
  pipeline: model,
  dataset,
  output,
  method: 'lora',
  lora: { rank: 8 },
  resolution: side,
  batchSize: 1,
  gradientAccumulationSteps: 4,
  learningRate: 1e-4,
  snrGamma: 5,
  maxTrainSteps: Number(steps),
  checkpointingSteps: 250,
  checkpointsTotalLimit: 2,
  ...(existsSync(join(output, 'run.json')) && { resume: 'latest' }),
  signal: controller.signal,
  onStep: ({ step, loss, imagesPerSecond, secondsLeft }) =>
    console.error(
      `step ${step}/${steps}, loss ${loss.toFixed(4)}, ${imagesPerSecond.toFixed(2)} images/s, ${Math.ceil(secondsLeft)} s left`,
    ),
});
console.log(`${result}: loss ${loss.toFixed(4)}`);

const pipeline = await Pipeline.load(model, { lora: [result] });
const [first = '{}'] = readFileSync(join(dataset, 'metadata.jsonl'), 'utf8').split('\n');
const { images } = await pipeline.generate({
  prompt: JSON.parse(first).text,
  steps: 25,
  seed: 1,
  width: side,
  height: side,
});
await images[0]?.save(join(output, 'sample.png'));
pipeline.dispose();
