// Variations of a radiograph: how far each strength goes from it.
//
//   node examples/image-to-image.ts <pipeline folder> <image> <output folder> "<prompt>"
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Image, metrics, Pipeline } from 'latentray';

const [model, file, out, prompt] = process.argv.slice(2);
if (!model || !file || !out || !prompt) {
  throw new Error('usage: image-to-image.ts <pipeline folder> <image> <output folder> <prompt>');
}

const pipeline = await Pipeline.load(model);
const image = await Image.read(file);
await mkdir(out, { recursive: true });
for (const strength of [0.2, 0.5, 0.8]) {
  const { images, seeds } = await pipeline.imageToImage({
    image,
    prompt,
    strength,
    steps: 20,
    imagesPerPrompt: 2,
    seed: [1, 2], // one an image: each can be made again alone
  });
  for (const [index, variation] of images.entries()) {
    await variation.save(join(out, `strength-${strength}-seed-${seeds[index]}.png`));
    const [psnr = Number.NaN] = await metrics.psnr(image, variation);
    console.log(
      `strength ${strength}, seed ${seeds[index]}: ${psnr.toFixed(1)} dB to the original`,
    );
  }
}
pipeline.dispose();
