import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { study, TextEncoder } from '../../src/index.js';
import { recipeFolder } from '../support/recipe.js';
import { fits, visit, withoutBrowser } from './browser.js';

const secret = 'An impression that must not be published';

/** Texts that say what they are labelled with, of as many patients. */
function reports(): study.StudiedText[] {
  return Array.from({ length: 40 }, (_, n) => ({
    text: n % 2 ? `${secret} effusion ${n}` : `${secret} normal ${n}`,
    labels: (n % 2 ? { Effusion: 1 } : {}) as study.StudiedText['labels'],
    patient: `patient ${Math.floor(n / 4)}`,
  }));
}

async function tinyStudy(output: string, more: Partial<study.TextEncoderStudyOptions> = {}) {
  return study.textEncoders({
    encoders: [{ name: 'tiny', encoder: join(await recipeFolder('recipe-sd1'), 'text_encoder') }],
    reports: reports(),
    output,
    ...more,
  });
}

t.test('a study of a small encoder', async (t) => {
  const folder = t.testdir();
  const output = join(folder, 'made', 'study');
  const config = { model_type: 'bert', hidden_size: 16, num_hidden_layers: 1 };
  const tokenizer = await recipeFolder('recipe-bert');
  const random = await TextEncoder.create(
    { ...config, num_attention_heads: 2, intermediate_size: 32 },
    { tokenizer, seed: 1 },
  );
  const encoder = join(await recipeFolder('recipe-sd1'), 'text_encoder');
  const stages: string[] = [];
  const result = await tinyStudy(output, {
    encoders: [
      { name: 'tiny', encoder },
      { name: 'new', encoder: random },
    ],
    onProgress: ({ stage }) => stages.push(stage),
  });
  t.same(stages, ['tiny', 'new']);
  t.same(
    result.encoders.map(({ randomWeights, pooling }) => ({ randomWeights, pooling })),
    [
      { randomWeights: false, pooling: 'eot' },
      { randomWeights: true, pooling: 'mean' },
    ],
  );
  t.match(result.encoders[0]?.digest, /^sha256:/);
  const corpora = result.encoders[0]?.corpora ?? [];
  t.same(
    corpora.map(({ probes }) => probes.length),
    [12, 1, 1, 1],
  );
  const effusion = corpora.at(-1)?.probes[0];
  t.match(effusion, { label: 'Effusion', positives: 20, negatives: 20, chance: 0.5 });
  t.ok((effusion?.linear ?? 0) > 0.9, 'one word decides, and the probe finds it');
  t.ok(Math.abs(corpora[0]?.geometry.meanCosine ?? 2) <= 1);

  const written = JSON.parse(await readFile(result.files.results, 'utf8'));
  t.equal(written.encoders[0].corpora.at(-1).probes[0].linear, effusion?.linear);
  const html = await readFile(result.files.report, 'utf8');
  t.match(html, /new \(random weights\)/);
  t.match(html, /Random weights: new\./);
  t.notMatch(html + JSON.stringify(written), secret, 'no text of a report is published');

  const again = await tinyStudy(join(folder, 'again'));
  t.same(again.encoders[0]?.corpora, result.encoders[0]?.corpora, 'the same figures again');

  await t.test('in a browser', { skip: withoutBrowser }, async (t) => {
    for (const width of [1280, 400]) {
      await visit(result.files.report, width, async ({ page, complaints, requests }) => {
        t.ok(await fits(page), `${width} px`);
        t.ok((await page.locator('svg:visible').count()) >= 4);
        t.same({ complaints, requests }, { complaints: [], requests: [] });
      });
    }
  });
});

t.test('misuse', async (t) => {
  const output = t.testdir();
  const encoders = [{ name: 'a', encoder: 'nowhere' }];
  const wrong: [Partial<study.TextEncoderStudyOptions>, string, RegExp][] = [
    [{ encoders: [] }, 'ERR_INVALID_ARG', /encoders/],
    [{ encoders: [...encoders, ...encoders] }, 'ERR_INVALID_ARG', /no two of one name/],
    [{ encoders: [{ name: 'a', encoder: 1 as never }] }, 'ERR_INVALID_ARG', /encoder/],
    [{ encoders }, 'ERR_MODEL_NOT_FOUND', /nowhere/],
    [{ reports: 'x' as never }, 'ERR_INVALID_ARG', /reports/],
    [{ reports: [{ text: 'x' } as never] }, 'ERR_INVALID_ARG', /reports\[0\]/],
    [{ reports: [] }, 'ERR_INVALID_ARG', /two patients/],
    [{ folds: 1 }, 'ERR_INVALID_ARG', /folds/],
    [{ l2: Number.NaN }, 'ERR_INVALID_ARG', /l2/],
    [{ fold: 1 } as never, 'ERR_INVALID_ARG', /fold/],
    [{ output: '/dev/null/x' }, 'ERR_WRITE', /cannot be written/],
  ];
  for (const [options, code, message] of wrong) {
    await t.rejects(tinyStudy(output, options), { code, message });
  }
  const reason = new Error('stop');
  await t.rejects(tinyStudy(output, { signal: AbortSignal.abort(reason) }), reason);
  const thrown = new Error('a callback');
  const onProgress = () => {
    throw thrown;
  };
  await t.rejects(tinyStudy(output, { onProgress }), thrown);
});
