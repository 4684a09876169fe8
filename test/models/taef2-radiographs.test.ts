import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Autoencoder, fitImage, Image, metrics, reconstruct } from '../../src/index.js';
import { sharedData, withoutData } from '../support/golden.js';

/** The NIH test split of the shared radiographs. */
function radiographs(): string[] {
  const folder = join(sharedData ?? '', 'cxr');
  const lines = readFileSync(join(folder, 'metadata.jsonl'), 'utf8').trim().split('\n');
  return lines
    .map((line) => JSON.parse(line))
    .filter(({ split, source, file_name }) => split === 'test' && /nih/i.test(source ?? file_name))
    .map(({ file_name }) => join(folder, file_name));
}

t.test('TAEF2 keeps radiographs: PSNR ≥ 36 dB, SSIM ≥ 0.96', { skip: withoutData }, async (t) => {
  using vae = await Autoencoder.load(join(sharedData ?? '', 'weights/taef2'));
  const files = radiographs();
  t.equal(files.length, 136);
  const figures = { psnr: 0, ssim: 0 };
  for (let start = 0; start < files.length; start += 4) {
    const images = await Promise.all(
      files.slice(start, start + 4).map(async (file) => {
        const size = { width: 256, height: 256, fit: 'centre-crop' } as const;
        return fitImage(await Image.read(file), size);
      }),
    );
    const restored = await reconstruct(vae, images);
    for (const value of await metrics.psnr(images, restored)) figures.psnr += value / files.length;
    for (const value of await metrics.ssim(images, restored)) figures.ssim += value / files.length;
  }
  t.ok(figures.psnr >= 36, `PSNR ${figures.psnr}`);
  t.ok(figures.ssim >= 0.96, `SSIM ${figures.ssim}`);
});
