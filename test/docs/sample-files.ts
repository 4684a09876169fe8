import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { Image } from '../../src/index.js';
import { chexpertFiles, mimicDicomFiles, writeFiles } from '../data/trees.js';
import { dicomFile } from '../support/dicom-files.js';
import { recipeFolder } from '../support/recipe.js';
import { writeTinyDenseNet } from '../support/tiny-densenet.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

/**
 * A folder with what the documentation speaks of: models/stable-diffusion, controlnet, taesd, bert and
 * densenet121.safetensors;
 * radiographs/frontal.png, frontal.dcm, mask.png and edges.png; small CheXpert-v1.0-small and mimic-cxr, images
 * and tables.
 */
export async function sampleFolder(t: Test): Promise<string> {
  const folder = t.testdir({
    models: {
      'stable-diffusion': t.fixture('symlink', await tinyPipelineFolder()),
      controlnet: t.fixture('symlink', await recipeFolder('recipe-controlnet')),
      taesd: t.fixture('symlink', await recipeFolder('recipe-taesd')),
      bert: t.fixture('symlink', await recipeFolder('recipe-bert')),
    },
    radiographs: {},
    'CheXpert-v1.0-small': {},
    'mimic-cxr': {},
  });
  await writeTinyDenseNet(join(folder, 'models', 'densenet121.safetensors'));
  writeFiles(join(folder, 'CheXpert-v1.0-small'), chexpertFiles());
  writeFiles(join(folder, 'mimic-cxr'), mimicDicomFiles());
  await ramp(64, 64).save(join(folder, 'radiographs', 'frontal.png'));
  await ramp(64, 64).save(join(folder, 'radiographs', 'mask.png'));
  await ramp(64, 64).save(join(folder, 'radiographs', 'edges.png'));
  writeFileSync(
    join(folder, 'radiographs', 'frontal.dcm'),
    dicomFile({ view: 'PA', windowCenter: '2048', windowWidth: '4096' }),
  );
  return folder;
}

/** A grey image that grows brighter from corner to corner. */
export function ramp(width: number, height: number): Image {
  const pixels = Float32Array.from(
    { length: width * height },
    (_, i) => ((i % width) / width + Math.floor(i / width) / height) / 2,
  );
  return Image.fromPixels(pixels, { width, height, channels: 1 });
}
