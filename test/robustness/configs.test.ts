// Whatever stands in a config, it is read or refused.

import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  Autoencoder,
  ControlNet,
  loadTensors,
  SafetyChecker,
  Scheduler,
  TextEncoder,
  TextProjection,
  UNet,
} from '../../src/index.js';
import { findWeightFiles } from '../../src/models/weight-files.js';
import { openPipeline } from '../../src/pipeline/pipeline-source.js';
import { mutatedJson, surviveMutations } from '../support/mutations.js';
import { committed, recipeFolder, shardedUNet } from '../support/recipe.js';

const weightCodes = ['ERR_WEIGHTS_MISSING_KEY', 'ERR_WEIGHTS_UNEXPECTED_KEY', 'ERR_WEIGHTS_SHAPE'];

interface Loaded {
  dispose(): void;
}

/** A model whose config.json is changed; the weights stay as they are. */
async function survivesAsModel(
  name: string,
  folder: () => Promise<string>,
  load: (path: string) => Promise<Loaded>,
): Promise<void> {
  await t.test(`config.json: ${name}`, async (t) => {
    const path = join(t.testdir(), 'model');
    cpSync(await folder(), path, { recursive: true });
    const config = join(path, 'config.json');
    await surviveMutations(t, {
      path: config,
      sharedBy: 9,
      mutations: mutatedJson(readFileSync(config, 'utf8')),
      codes: ['ERR_CONFIG_INVALID', ...weightCodes],
      read: async () => (await load(path)).dispose(),
    });
  });
}

const part = (name: string) => async () => join(await recipeFolder('recipe-sd1'), name);

await survivesAsModel('CLIP', part('text_encoder'), async (path) =>
  TextEncoder.load(path, { tokenizer: join(await recipeFolder('recipe-bert')) }),
);
await survivesAsModel(
  'BERT',
  () => recipeFolder('recipe-bert'),
  (path) => TextEncoder.load(path),
);
await survivesAsModel(
  'RoBERTa',
  () => recipeFolder('recipe-roberta'),
  (path) => TextEncoder.load(path, { tokenizer: join(committed, 'recipe-bert/model') }),
);
await survivesAsModel('U-Net', part('unet'), (path) => UNet.load(path));
await survivesAsModel('autoencoder', part('vae'), (path) => Autoencoder.load(path));
await survivesAsModel(
  'small autoencoder',
  () => recipeFolder('recipe-taesd'),
  (path) => Autoencoder.load(path),
);
await survivesAsModel(
  'ControlNet',
  () => recipeFolder('recipe-controlnet'),
  (path) => ControlNet.load(path),
);
await survivesAsModel(
  'safety checker',
  async () => join(committed, 'safety-checker/model'),
  (path) => SafetyChecker.load(path),
);
await survivesAsModel('text projection', textProjectionFolder, (path) => TextProjection.load(path));

async function textProjectionFolder(): Promise<string> {
  const folder = join(t.testdir(), 'text_projection');
  using projection = await TextProjection.create({ inFeatures: 4, outFeatures: 8 });
  await projection.save(folder);
  return folder;
}

t.test('model_index.json', async (t) => {
  const folder = t.testdir({ unet: {} });
  const original = join(committed, 'recipe-sd1/model/model_index.json');
  await surviveMutations(t, {
    path: join(folder, 'model_index.json'),
    mutations: mutatedJson(readFileSync(original, 'utf8')),
    codes: ['ERR_CONFIG_INVALID'],
    read: () => openPipeline(folder, {}),
  });
});

for (const family of ['recipe-sd1', 'recipe-sd2']) {
  t.test(`scheduler_config.json of ${family}`, async (t) => {
    const folder = t.testdir();
    const original = join(committed, family, 'model/scheduler/scheduler_config.json');
    await surviveMutations(t, {
      path: join(folder, 'scheduler_config.json'),
      sharedBy: 2,
      mutations: mutatedJson(readFileSync(original, 'utf8')),
      codes: ['ERR_CONFIG_INVALID'],
      read: async () => {
        using scheduler = await Scheduler.load(folder);
        return scheduler.config;
      },
    });
  });
}

t.test('the index of a checkpoint’s shards', async (t) => {
  const folder = await shardedUNet('recipe-sd1');
  const path = join(folder, 'diffusion_pytorch_model.safetensors.index.json');
  const { weight_map: map } = JSON.parse(readFileSync(path, 'utf8'));
  const few = Object.fromEntries(Object.entries(map).slice(0, 6));
  await surviveMutations(t, {
    path,
    mutations: mutatedJson(JSON.stringify({ metadata: { total_size: 7 }, weight_map: few })),
    codes: ['ERR_CONFIG_INVALID', 'ERR_WEIGHTS_CORRUPT', 'ERR_MODEL_NOT_FOUND'],
    read: async () => {
      const { tensors } = await loadTensors(await findWeightFiles(folder));
      for (const tensor of Object.values(tensors)) tensor.dispose();
    },
  });
});
