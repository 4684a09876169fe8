import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { study } from '../../src/index.js';
import { withWord } from '../../src/study/fine-tuning/variants.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';
import { fits, visit, withoutBrowser } from './browser.js';
import { madeUpDataset, untrainedClassifier } from './images.js';

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

t.test('networks: distances, and whether a classifier sees what was asked for', async (t) => {
  const folder = t.testdir();
  const options: study.FineTuningStudyOptions = {
    pipeline: await tinyPipelineFolder(),
    dataset: await madeUpDataset(join(folder, 'train'), 6),
    heldOut: await madeUpDataset(join(folder, 'test'), 6, 'b'),
    variants: ['none'],
    training: { resolution: 64 },
    classifier: await untrainedClassifier(join(folder, 'classifier')),
    ...{ imagesPerPrompt: 3, steps: 1, batchSize: 3, output: join(folder, 'out') },
  };
  const { variants, real, files } = await study.fineTuning(options);
  t.match(real.distances, [{ network: 'classifier', counts: [4, 4] }]);
  const [none] = variants;
  t.equal(none?.prompts.length, 2, "the paper's");
  for (const { distances } of none?.prompts ?? []) {
    t.match(distances, [{ network: 'classifier', counts: [3, 4] }]);
    t.ok((distances[0]?.value ?? 0) > 0);
  }
  const [seen] = none?.labels ?? [];
  t.equal(none?.labels.length, 1, 'prompts say nothing of masses');
  t.match(seen, { label: 'Effusion', auroc: { positives: 3, negatives: 3 } });
  t.ok((seen?.agreement ?? -1) >= 0 && (seen?.agreement ?? 2) <= 1);
  t.match(await readFile(files.report, 'utf8'), /Does a classifier see what was asked for\?/);

  const prompts = ['An effusion.', { text: 'A mass.', labels: { Mass: 1 } as const }];
  const own = await study.fineTuning({ ...options, prompts, output: join(folder, 'own') });
  t.same(own.variants[0]?.labels, [], 'nothing to tell from');
  const wrong = [{ text: 3 }, { text: 'x', labels: { Mass: 2 } }, { txt: 'x' }] as never[];
  for (const prompt of wrong) {
    await t.rejects(study.fineTuning({ ...options, prompts: [prompt] }), {
      code: 'ERR_INVALID_ARG',
      message: /prompts/,
    });
  }
});

t.test('every trained variant has weights of its own', async (t) => {
  const folder = t.testdir();
  const pipeline = await tinyPipelineFolder();
  const { variants } = await study.fineTuning({
    ...{ pipeline, textEncoder: join(pipeline, 'text_encoder') },
    dataset: await madeUpDataset(join(folder, 'train'), 3),
    heldOut: await madeUpDataset(join(folder, 'test'), 3, 'b'),
    variants: ['swapped-encoder', 'swapped-encoder-projection', 'unet'],
    training: { resolution: 64, batchSize: 1, maxTrainSteps: 1 },
    prompts: ['x'],
    ...{ imagesPerPrompt: 2, steps: 1, batchSize: 2, output: join(folder, 'out') },
  });
  const digests = variants.map(({ digest }) => digest);
  t.equal(new Set(digests).size, 3, digests.join(' '));
});
