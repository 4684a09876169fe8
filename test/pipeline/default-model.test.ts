import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  defaultModelFolder,
  defaultModelSettings,
  Image,
  Pipeline,
  readProvenance,
} from '../../src/index.js';
import { latentray } from '../support/command-line.js';

const megabyte = 1e6;

t.test('the model fits into the package', async (t) => {
  const files = readdirSync(defaultModelFolder, { recursive: true, withFileTypes: true });
  const sizes = files
    .filter((file) => file.isFile())
    .map((file) => statSync(join(file.parentPath, file.name)).size);
  t.ok(sizes.length > 8);
  t.ok(sizes.reduce((sum, size) => sum + size, 0) <= 24 * megabyte);
  t.ok(existsSync(join(defaultModelFolder, 'README.md')), 'has a model card');
});

t.test('a sentence becomes a radiograph', async (t) => {
  const pipeline = await Pipeline.default();
  t.teardown(() => pipeline.dispose());
  const prompt = 'Pediatric chest X-ray, AP view, no finding.';
  const { images, truncated } = await pipeline.generate({
    prompt,
    seed: 42,
    ...defaultModelSettings,
    steps: 12,
  });
  t.same(truncated, []);
  const [image] = images as [Image];
  t.match(image, { width: 256, height: 256, channels: 3 });
  t.match(image.provenance, { synthetic: true, prompt, seed: 42n });

  // The mediastinum is bright between two dark lungs.
  const row = 110;
  const mean = (from: number, to: number) => {
    const values = image.pixels.filter((_, i) => {
      const [y, x] = [Math.floor(i / 3 / 256), Math.floor(i / 3) % 256];
      return Math.abs(y - row) < 20 && x >= from && x < to;
    });
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const middle = mean(115, 141);
  t.ok(middle > mean(50, 90) + 0.1, 'brighter than the lung on the left');
  t.ok(middle > mean(166, 206) + 0.1, 'brighter than the lung on the right');
});

t.test('the command line takes it where no model is named', async (t) => {
  const folder = t.testdir();
  const made = await latentray(folder, 'generate', 'no finding', '--steps', '1', '--seed', '5');
  t.match(made, { status: 0, stdout: 'outputs/image-5-0.png\n' });
  t.match(await readProvenance(join(folder, 'outputs/image-5-0.png')), {
    synthetic: true,
    settings: { steps: 1, guidanceScale: defaultModelSettings.guidanceScale },
  });
});

t.test('the demo writes a grid that says it is synthetic', async (t) => {
  const folder = t.testdir();
  const { stdout, status } = await latentray(folder, 'demo', '--steps', '1', '--images', '1');
  t.equal(status, 0);
  t.match(stdout, /^outputs\/demo\/grid\.png: 6 synthetic radiographs in \d+\.\d s\./);
  const grid = join(folder, 'outputs/demo/grid.png');
  t.ok((await Image.read(grid)).height > 6 * 256);
  t.match(await readProvenance(grid), { synthetic: true });
});
