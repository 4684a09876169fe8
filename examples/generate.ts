// From sentences to PNG files that say how they were made.
//
//   node examples/generate.ts <pipeline folder> <output folder> "A photo of a lung x-ray" …
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Pipeline } from 'latentray';

const [model, out, ...prompts] = process.argv.slice(2);
if (!model || !out || prompts.length === 0) {
  throw new Error('usage: generate.ts <pipeline folder> <output folder> <prompt …>');
}

const pipeline = await Pipeline.load(model);
const { images, seeds, truncated } = await pipeline.generate({
  prompt: prompts,
  scheduler: 'dpmpp_2m_karras',
  steps: 25,
  seed: prompts.map((_, index) => index), // one an image: each can be made again alone
  onProgress: ({ stage, step, steps }) => console.error(`${stage} ${step}/${steps}`),
});

await mkdir(out, { recursive: true });
for (const [index, image] of images.entries()) {
  const file = join(out, `seed-${seeds[index]}.png`);
  await image.save(file);
  console.log(`${file}: ${prompts[index]}`);
}
for (const { prompt, dropped } of truncated) {
  console.error(`longer than the text encoder takes: "${dropped}" of "${prompt}" was cut`);
}
pipeline.dispose();
