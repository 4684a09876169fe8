// Whatever stands in a file of learned tokens or of LoRA weights, it is read or refused, and a model that
// refused one is as it was.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { saveTensors, Tensor, TextEncoder } from '../../src/index.js';
import { LoraAdapters } from '../../src/pipeline/lora-adapters.js';
import { mutatedBytes, surviveMutations } from '../support/mutations.js';
import { committed, recipeFolder } from '../support/recipe.js';
import { loadTinyPipeline } from '../support/tiny-pipeline.js';

const weightCodes = [
  'ERR_WEIGHTS_CORRUPT',
  'ERR_WEIGHTS_UNSAFE',
  'ERR_WEIGHTS_MISSING_KEY',
  'ERR_WEIGHTS_UNEXPECTED_KEY',
  'ERR_WEIGHTS_SHAPE',
];
const embeddingCodes = [...weightCodes, 'ERR_SHAPE', 'ERR_NON_FINITE', 'ERR_INVALID_ARG'];

for (const [name, file] of [
  ['diffusers’ form', 'recipe-sd1/learned_tokens/texture.safetensors'],
  ['AUTOMATIC1111’s form', 'recipe-sd1/learned_tokens/ap-style.safetensors'],
  ['AUTOMATIC1111’s pickle', 'formats/embedding.pt'],
] as const) {
  t.test(`learned tokens in ${name}`, async (t) => {
    using encoder = await TextEncoder.load(join(await recipeFolder('recipe-sd1'), 'text_encoder'), {
      tokenizer: await recipeFolder('recipe-bert'),
    });
    const path = join(t.testdir(), 'token.bin');
    await surviveMutations(t, {
      path,
      sharedBy: 3,
      mutations: mutatedBytes(readFileSync(join(committed, file))),
      codes: embeddingCodes,
      read: async () => {
        const token = await encoder.loadTextualInversion(path);
        await encoder.unloadTextualInversion(token);
      },
    });
    t.same(encoder.learnedTokens, []);
  });
}

const module = 'mid_block.attentions.0.transformer_blocks.0.attn1.to_q';

t.test('LoRA weights', async (t) => {
  using pipeline = await loadTinyPipeline();
  const width = 64;
  const path = join(t.testdir(), 'lora.safetensors');
  const flat = `lora_unet_${module.replaceAll('.', '_')}`;
  await saveTensors(path, {
    [`unet.${module}.lora_A.weight`]: await Tensor.randn([1, width], { seed: 1 }),
    [`unet.${module}.lora_B.weight`]: await Tensor.randn([width, 1], { seed: 2 }),
    [`${flat.replace('to_q', 'to_k')}.lora_down.weight`]: await Tensor.randn([1, 64], { seed: 3 }),
    [`${flat.replace('to_q', 'to_k')}.lora_up.weight`]: await Tensor.randn([64, 1], { seed: 3 }),
    [`${flat.replace('to_q', 'to_k')}.alpha`]: Tensor.from([1], { dtype: 'float32', shape: [] }),
  });
  const adapters = new LoraAdapters(pipeline);
  await surviveMutations(t, {
    path,
    mutations: mutatedBytes(readFileSync(path)),
    codes: weightCodes,
    read: async () => adapters.unload(await adapters.load(path), {}),
  });
  t.same(adapters.loaded, []);
});
