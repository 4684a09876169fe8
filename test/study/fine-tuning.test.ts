import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { study } from '../../src/index.js';
import { withWord } from '../../src/study/fine-tuning/variants.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';
import { fits, visit, withoutBrowser } from './browser.js';
import { madeUpDataset } from './images.js';

t.test('the word stands for what it was learned from', async (t) => {
  t.equal(withWord('A photo of a lung X-ray with a mass', '<x>'), 'A photo of a <x> with a mass');
  t.equal(withWord('An effusion.', '<x>'), 'A photo of a <x>. An effusion.');
});

t.test('a small study', async (t) => {
  const folder = t.testdir();
  const options: study.FineTuningStudyOptions = {
    pipeline: await tinyPipelineFolder(),
    randomWeights: true,
    dataset: await madeUpDataset(join(folder, 'train'), 6),
    heldOut: await madeUpDataset(join(folder, 'test'), 6, 'b'),
    variants: ['none', 'lora'],
    prompts: ['A photo of a lung x-ray'],
    training: { resolution: 64, batchSize: 1, maxTrainSteps: 1 },
    ...{ imagesPerPrompt: 2, steps: 1, batchSize: 2, output: join(folder, 'out') },
  };
  const result = await study.fineTuning(options);
  t.same([result.trainingImages, result.heldOutImages], [4, 4], 'frontal images alone');
  t.same(
    result.variants.map(({ variant, trainedSteps }) => [variant, trainedSteps]),
    [
      ['none', 0],
      ['lora', 1],
    ],
  );
  const [none] = result.variants[0]?.prompts ?? [];
  t.match(none, { prompt: 'A photo of a lung x-ray', images: 2 });
  t.ok((none?.closestTraining ?? 2) <= 1.000001 && (none?.pairwiseSsim ?? 2) <= 1);
  t.ok(result.real.closestTraining > 0.9, 'made-up radiographs are alike');
  const html = await readFile(result.files.report, 'utf8');
  t.match(html, /Random weights/);
  t.notMatch(html, folder, 'no path');

  await t.rejects(study.fineTuning({ ...options, heldOut: options.dataset }), {
    code: 'ERR_INVALID_ARG',
    message: /other patients/,
  });
  await t.test('in a browser', { skip: withoutBrowser }, async (t) => {
    for (const width of [1280, 400]) {
      await visit(result.files.report, width, async ({ page, complaints, requests }) => {
        t.ok(await fits(page), `${width} px`);
        t.same({ complaints, requests }, { complaints: [], requests: [] });
      });
    }
  });

  const reason = new Error('stop');
  const wrong: [
    Partial<study.FineTuningStudyOptions>,
    Error | { code: string; message?: RegExp },
  ][] = [
    [{ variants: ['swapped-encoder'] }, { code: 'ERR_INVALID_ARG', message: /textEncoder/ }],
    [{ variants: ['dreambooth' as never] }, { code: 'ERR_INVALID_ARG', message: /variants/ }],
    [{ prompts: [] }, { code: 'ERR_INVALID_ARG', message: /prompts/ }],
    [{ dataset: [] as never }, { code: 'ERR_INVALID_ARG', message: /dataset/ }],
    [{ pipeline: 'nowhere', variants: ['none'] }, { code: 'ERR_MODEL_NOT_FOUND' }],
    [{ signal: AbortSignal.abort(reason) }, reason],
  ];
  for (const [more, expected] of wrong) {
    await t.rejects(study.fineTuning({ ...options, ...more }), expected);
  }
});
