import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  FeatureExtractor,
  type FidMode,
  Image,
  type InceptionLayer,
  loadTensors,
} from '../../src/index.js';
import { relativeError, tensor } from '../support/golden.js';
import { committed } from '../support/recipe.js';
import { seededWeights } from '../support/seeded-network.js';

const golden = await loadTensors(join(committed, 'inception.safetensors'));
const sizes: [height: number, width: number][] = JSON.parse(golden.metadata.sizes as string);

/** As scripts/make-golden-inception.py: tiles of 5 × 7 pixels, each of its own grey in each channel. */
function picture([height, width]: readonly [number, number]): Image {
  const data = new Uint8Array(height * width * 3);
  for (let i = 0; i < data.length; ++i) {
    const [y, x] = [Math.floor(i / 3 / width), Math.floor(i / 3) % width];
    const tile = (Math.floor(y / 5) * 1000 + Math.floor(x / 7)) * 3 + (i % 3);
    data[i] = Math.imul(tile, 2654435761) >>> 24;
  }
  return new Image({ width, height, channels: 3, data });
}

async function compare(
  t: Test,
  extractor: FeatureExtractor,
  name: string,
  tolerance: number,
): Promise<void> {
  for (const [number, size] of sizes.entries()) {
    for (const layer of ['192', '2048'] satisfies InceptionLayer[]) {
      const found = await extractor.forward(picture(size), { layer });
      const error = await relativeError(
        found.features,
        tensor(golden, `${name}.${number}.${layer}`),
      );
      t.ok(error <= tolerance, `${name}, image ${number}, layer ${layer}: ${error}`);
      const logits = golden.tensors[`${name}.${number}.logits`];
      if (!logits || layer !== '2048') continue;
      const difference = await relativeError(found.logits, logits);
      t.ok(difference <= tolerance, `${name}, image ${number}, logits: ${difference}`);
    }
  }
}

t.test('FID’s features are those of clean-fid and of pytorch-fid', async (t) => {
  const path = await seededWeights(golden);
  for (const mode of ['clean-fid', 'pytorch-fid'] satisfies FidMode[]) {
    using extractor = await FeatureExtractor.inception(path, { mode });
    await compare(t, extractor, mode, 1e-4);
  }
  using half = await FeatureExtractor.inception(path, { dtype: 'bfloat16' });
  await compare(t, half, 'clean-fid', 2e-2);
});

t.test('torchvision’s Inception v3 is torchvision’s', async (t) => {
  const shapes = JSON.parse(golden.metadata.parameters as string);
  const parameters = { ...shapes, 'fc.weight': [1000, 2048], 'fc.bias': [1000] };
  const metadata = { ...golden.metadata, parameters: JSON.stringify(parameters) };
  const path = await seededWeights({ ...golden, metadata });
  using extractor = await FeatureExtractor.inception(path, { mode: 'pytorch-fid' });
  t.equal(extractor.classes, 1000);
  await compare(t, extractor, 'torchvision', 1e-4);
});
