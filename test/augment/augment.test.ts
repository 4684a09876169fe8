import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  type AugmentOptions,
  type AugmentProgress,
  augment,
  Dataset,
  Image,
  Pipeline,
  readProvenance,
} from '../../src/index.js';
import { readSet, setBytes, smallRealFolder, writeRealFolder } from '../support/augment-data.js';
import { loadTinyPipeline, tinyPipelineFolder } from '../support/tiny-pipeline.js';

const folder = t.testdir();
const pipeline = await loadTinyPipeline();
const dataset = await smallRealFolder(join(folder, 'real'));
const generation = { steps: 2, width: 64, height: 64, guidanceScale: 2 };
let sets = 0;

function options(more: Partial<AugmentOptions> = {}): AugmentOptions {
  return {
    pipeline,
    dataset,
    plan: 'balance',
    out: join(folder, `set-${sets++}`),
    generation,
    batchSize: 2,
    seed: 3,
    gate: { maxSimilarity: 0.9999 },
    onWarning: () => {},
    ...more,
  };
}

t.test(
  'a label is brought to the size of the largest, and every image says what it is',
  async (t) => {
    const given = options({ gate: {} });
    const told: AugmentProgress[] = [];
    const result = await augment({ ...given, onProgress: (event) => told.push(event) });
    t.match(result, { out: given.out, complete: true, labels: { Mass: { planned: 2 } } });
    t.same(Object.keys(result.labels), ['Mass'], 'Hernia is in the test split');
    const rows = await readSet(given.out);
    t.equal(rows.length, result.labels.Mass?.accepted);
    const digest = await pipeline.digest();
    for (const row of rows) {
      t.match(row, {
        text: 'Chest X-ray with mass.',
        prompt: 'Chest X-ray with mass.',
        labels: { Edema: 0, Mass: 1 },
        class: 'Mass',
        split: 'train',
        synthetic: true,
        software: /^latentray /,
        model_digest: digest,
        settings: { kind: 'text-to-image', steps: 2, guidanceScale: 2 },
        checks: { realPixels: { similarity: Number, limit: Number, nearest: /^[0-9a-f]{16}$/ } },
      });
      const file = join(given.out, row.file_name);
      t.match(await readProvenance(file), {
        synthetic: true,
        modelDigest: digest,
        prompt: row.text,
        seed: BigInt(row.seed),
      });
      t.match(readFileSync(file, 'latin1'), /Synthetic\0+true/);
    }
    t.match(told.at(-1), { phase: 'generating', done: 2, total: 2, secondsLeft: 0 });
    t.ok((told.at(-1)?.imagesPerSecond ?? 0) > 0);
    t.match(told[0], { phase: 'reading', done: 1 });
    const run = JSON.parse(readFileSync(join(given.out, 'augment.json'), 'utf8'));
    t.match(run, { identity: { modelDigest: digest, plan: { Mass: 2 } }, finishedAt: String });
  },
);

t.test('the set is one that our loaders read, and folders of classes', async (t) => {
  const given = options({ plan: { Mass: 3, Pleural_Thickening: 2 } });
  await augment(given);
  const set = Dataset.folder(given.out, { strict: true });
  const counts = (await set.summary()).labels;
  t.match(counts, { Mass: { positive: 3, negative: 2 }, Pleural_Thickening: { positive: 2 } });
  for await (const { record, image } of set.images()) {
    t.match(image, { width: 64, height: 64 });
    t.equal(record.split, 'train');
    t.ok(image.provenance?.synthetic);
  }
  const entries = readdirSync(given.out, { withFileTypes: true });
  const classes = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  t.same(
    classes.sort(),
    ['mass', 'pleural-thickening'],
    'torchvision takes each folder as a class',
  );
  for (const name of classes) {
    const images = readdirSync(join(given.out, name));
    t.ok(images.length >= 2 && images.every((file) => file.endsWith('.png')), `${images}`);
  }
  const text = (await readSet(given.out)).map(({ text }) => text);
  t.ok(text.includes('Chest X-ray with pleural thickening.'));
});

t.test('stopped again and again, a set is the same as in one go', async (t) => {
  const given = options({ plan: { Edema: 5, Mass: 4 }, gate: { maxSimilarity: 0.98 } });
  const whole = await augment(given);
  const stopped = options({ ...given, out: `${given.out}-stopped` });
  let stops = 0;
  for (;;) {
    const controller = new AbortController();
    const seen: number[] = [];
    const onProgress = ({ phase, done }: AugmentProgress) => {
      if (phase !== 'generating') return;
      seen.push(done);
      if (seen.length === 2) controller.abort(new Error('enough'));
    };
    try {
      t.same(await augment({ ...stopped, signal: controller.signal, onProgress }), {
        ...whole,
        out: stopped.out,
      });
      break;
    } catch (error) {
      t.match(error, { message: 'enough' });
      t.notOk(existsSync(join(stopped.out, 'metadata.jsonl')));
      stops += 1;
      t.ok(stops < 30);
    }
  }
  t.ok(stops >= 3, `${stops} stops`);
  t.same(await setBytes(stopped.out), await setBytes(given.out));
  const before = await setBytes(given.out);
  const again = await augment({ ...given, pipeline: await tinyPipelineFolder() });
  t.same(again, whole, 'started when all is done, it does nothing');
  t.same(await setBytes(given.out), before);

  rmSync(join(given.out, 'edema/000001.png'));
  writeFileSync(join(given.out, 'edema/.000001.png.0a.tmp'), 'half');
  await augment(given);
  t.same(await setBytes(given.out), before, 'an image that was lost is made again');
  t.notOk(existsSync(join(given.out, 'edema/.000001.png.0a.tmp')));
});

t.test('processes share a set, and the last one writes the table', async (t) => {
  const given = options({ plan: { Edema: 9, Mass: 3 } });
  await augment(given);
  const shared = options({ ...given, out: `${given.out}-shared` });
  for (const rank of [2, 0]) {
    const part = await augment({ ...shared, shard: { rank, worldSize: 3 } });
    t.notOk(part.complete);
    t.notOk(existsSync(join(shared.out, 'metadata.jsonl')));
  }
  process.env.RANK = '1';
  process.env.WORLD_SIZE = '3';
  try {
    t.ok((await augment(shared)).complete);
  } finally {
    delete process.env.RANK;
    delete process.env.WORLD_SIZE;
  }
  t.same(await setBytes(shared.out), await setBytes(given.out));
  const seeds = (await readSet(shared.out)).map(({ seed }) => seed);
  t.equal(new Set(seeds).size, 12, 'no image twice');
});

t.test('an image that the model has from its data is made anew', async (t) => {
  const first = options({ plan: { Mass: 1 }, dataset: undefined });
  await augment(first);
  const copy = await Image.read(join(first.out, 'mass/000000.png'));
  const { width, height, channels, data } = copy;
  const memory = await writeRealFolder(join(folder, 'memory'), [
    { labels: ['Mass'] },
    { labels: ['Edema'] },
    { labels: ['Mass'], image: new Image({ width, height, channels, data }) },
  ]);
  const given = options({ plan: { Mass: 1 }, dataset: memory, maxAttempts: 8 });
  const result = await augment(given);
  t.match(result, { complete: true, labels: { Mass: { accepted: 1 } } });
  t.ok((result.reasons.realPixels ?? 0) >= 1);
  const [row] = await readSet(given.out);
  t.ok((row?.attempt ?? 0) >= 1);
  t.not(row?.seed, (await readSet(first.out))[0]?.seed);
  const log = readFileSync(join(given.out, 'attempts-0-of-1.jsonl'), 'utf8');
  const [rejected] = log.split('\n').map((line) => line && JSON.parse(line));
  t.match(rejected, { accepted: false, reasons: ['realPixels'], row: { seed: Number } });
  t.ok(rejected.row.checks.realPixels.similarity > 0.9999, 'with what was found');
});

t.test(
  'images of one prompt have to differ, and what never does is given up and recorded',
  async (t) => {
    const warnings: string[] = [];
    const given = options({
      plan: { Mass: 3 },
      dataset: undefined,
      gate: { maxSimilarity: -1 },
      maxAttempts: 2,
      onWarning: (message) => warnings.push(message),
    });
    const result = await augment(given);
    t.match(result, {
      complete: true,
      labels: { Mass: { planned: 3, accepted: 1, failed: 2, rejected: 4 } },
      reasons: { samePrompt: 4 },
    });
    t.equal((await readSet(given.out)).length, 1);
    t.equal(readdirSync(join(given.out, 'mass')).length, 1);
    t.same(
      warnings.map((each) => each.slice(0, 15)),
      ['mass/000001.png', 'mass/000002.png'],
    );
    const lines = readFileSync(join(given.out, 'attempts-0-of-1.jsonl'), 'utf8').trim().split('\n');
    t.equal(lines.length, 5);
    t.same(await augment(given), result);
  },
);

t.test('texts of real records, each in its turn', async (t) => {
  const given = options({ plan: { Edema: 4 }, prompts: 'reports', gate: { tooNear: false } });
  await augment(given);
  const rows = await readSet(given.out);
  const texts = rows.map(({ text }) => text);
  t.same([...new Set(texts)].sort(), ['Edema, first.', 'Edema, second.', 'Edema, third.']);
  t.equal(texts[0], texts[3]);
  t.match(rows[0], { source_id: /^[0-9a-f]{16}$/, labels: { Edema: 1, Mass: null } });
  t.match(rows[0]?.checks, { realPixels: null });
});

t.test('what is wrong is said before anything is made', async (t) => {
  const invalid = { code: 'ERR_INVALID_ARG' };
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ plan: 'more' }, /plan: expected 'balance'/],
    [{ plan: { Mass: -1 } }, /plan/],
    [{ plan: { Mass: 0 } }, /plan: expected at least one image/],
    [{ plan: 3, dataset: undefined }, /plan: expected labels, found none/],
    [{ plan: { Mass: 1 }, labels: ['Mass'] }, /labels: expected none beside a plan/],
    [{ prompts: ['{patient}'] }, /prompts: expected \{label\}.*received '\{patient\}'/],
    [{ plan: { Mass: 1 }, dataset: undefined, prompts: ['{age}'] }, /a record of the dataset/],
    [{ plan: { Mass: 1 }, prompts: { Edema: ['x'] } }, /prompts: expected templates for 'Mass'/],
    [{ dataset: 3 }, /dataset: expected a Dataset/],
    [{ pipeline: {} }, /pipeline: expected a Pipeline/],
    [{ out: '' }, /out/],
    [{ shard: { rank: 2, worldSize: 2 } }, /rank below worldSize/],
    [{ gate: { tooNear: 2 } }, /tooNear/],
    [{ gate: { maxSimilarity: Number.NaN } }, /maxSimilarity/],
    [{ generation: { step: 3 } }, /step/],
    [{ onProgress: 1 }, /onProgress: expected a function/],
    [{ seed: 0.5 }, /seed/],
  ];
  for (const [wrong, message] of cases) {
    const given = options(wrong as Partial<AugmentOptions>);
    await t.rejects(augment(given), { ...invalid, message }, JSON.stringify(wrong));
    if (given.out) t.notOk(existsSync(given.out));
  }
  await t.rejects(augment(options({ dataset: join(folder, 'none') })), { code: 'ERR_DATASET' });
  const file = join(folder, 'real/real-0.png');
  await t.rejects(augment(options({ out: join(file, 'set') })), { code: 'ERR_WRITE' });
  process.env.RANK = '1';
  try {
    await t.rejects(augment(options()), { ...invalid, message: /^WORLD_SIZE: expected/ });
  } finally {
    delete process.env.RANK;
  }
  const gone = await Pipeline.load(await tinyPipelineFolder());
  gone.dispose();
  await t.rejects(augment(options({ pipeline: gone })), { code: 'ERR_DISPOSED' });
});

t.test('a folder holds one run', async (t) => {
  const given = options({ plan: { Mass: 1 } });
  await augment(given);
  await t.rejects(augment({ ...given, seed: 4, plan: { Mass: 2 } }), {
    code: 'ERR_INVALID_ARG',
    message: /the run's own (plan, seed|seed, plan), found others/,
  });
});

t.test('a signal, and a callback that throws', async (t) => {
  const signal = AbortSignal.abort(new Error('before'));
  await t.rejects(augment(options({ signal })), { message: 'before' });
  const onProgress = () => {
    throw new Error('of the callback');
  };
  const given = options({ plan: { Mass: 1 } });
  await t.rejects(augment({ ...given, onProgress }), { message: 'of the callback' });
  t.match(await augment(given), { complete: true });
});

t.teardown(() => pipeline.dispose());
