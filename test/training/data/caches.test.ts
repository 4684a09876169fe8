import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  Autoencoder,
  LatentCache,
  type LatentCacheOptions,
  openTrainingData,
  Tensor,
  TextStateCache,
} from '../../../src/index.js';
import { recipeFolder } from '../../support/recipe.js';
import { tinyPipelineFolder } from '../../support/tiny-pipeline.js';
import { picture } from './training-pictures.js';

const samples = Array.from({ length: 7 }, (_, i) => ({
  image: picture(40 + i, 30, i % 2 === 0 ? 1 : 3),
  text: `${i}`,
}));
const all = [0, 1, 2, 3, 4, 5, 6];
const vaeFolder = join(await tinyPipelineFolder(), 'vae');

async function setUp(t: Test, options: Partial<LatentCacheOptions> = {}) {
  const data = await openTrainingData(samples, { resolution: 32 });
  const autoencoder = await Autoencoder.load(vaeFolder);
  const events: string[] = [];
  const given = {
    folder: join(t.testdir(), 'cache'),
    data,
    autoencoder,
    batchSize: 2,
    shardSize: 3,
    onProgress: ({ done, total }: { done: number; total: number }) =>
      events.push(`${done}/${total}`),
    onRebuild: (reason: string) => events.push(reason),
    ...options,
  };
  return { ...given, events };
}

type Given = Awaited<ReturnType<typeof setUp>>;

function open({ events: _, ...options }: Given): Promise<LatentCache> {
  return LatentCache.open(options);
}

function filesOf(folder: string): string[] {
  const [only = ''] = readdirSync(folder);
  return readdirSync(join(folder, only))
    .sort()
    .map((name) => join(folder, only, name));
}

/** Times and inodes: what was written anew has others. */
function stamps(folder: string): string[] {
  return filesOf(folder).map((path) => `${statSync(path).ino} ${statSync(path).mtimeMs}`);
}

t.test('kept latents are those that the encoder gives', async (t) => {
  const given = await setUp(t);
  const { data, autoencoder } = given;
  using cache = await open(given);
  t.same(given.events, ['3/7', '6/7', '7/7']);
  t.equal(cache.length, 7);
  const indices = [6, 0, 3, 3];
  using batch = await data.batch(indices, { step: 0, sampleNumbers: indices });
  const { mean, logvar } = await autoencoder.encode(batch.pixels);
  const { latents, deviation } = await cache.batch(indices);
  t.same(latents.shape, mean.shape);
  const expectedMean = await mean.mul(autoencoder.scalingFactor);
  const expectedDeviation = await (await (await (logvar as Tensor).mul(0.5)).exp()).mul(
    autoencoder.scalingFactor,
  );
  t.ok(difference(latents, expectedMean) < 1e-5);
  t.ok(difference(deviation as Tensor, expectedDeviation) < 1e-5);
  t.ok(Math.min(...((deviation as Tensor).data() as Float32Array)) > 0);
});

function difference(a: Tensor, b: Tensor): number {
  const [x, y] = [a.data() as Float32Array, b.data() as Float32Array];
  return Math.max(...x.map((value, i) => Math.abs(value - (y[i] as number))));
}

t.test('a tiny autoencoder has latents without a deviation', async (t) => {
  const autoencoder = await Autoencoder.load(await recipeFolder('recipe-taesd'));
  using cache = await open(await setUp(t, { autoencoder }));
  const { latents, deviation } = await cache.batch([1]);
  t.equal(latents.shape[0], 1);
  t.equal(deviation, undefined);
});

t.test('what is there is not computed again', async (t) => {
  const given = await setUp(t);
  using first = await open(given);
  const before = stamps(given.folder);
  using second = await open(given);
  t.same(stamps(given.folder), before);
  t.equal(second.digest, first.digest);
  t.same((await second.batch(all)).latents.data(), (await first.batch(all)).latents.data());
});

t.test('a build that was stopped goes on where it was', async (t) => {
  const given = await setUp(t);
  const controller = new AbortController();
  const reason = new Error('enough');
  const stopping = {
    ...given,
    signal: controller.signal,
    onProgress: ({ done }: { done: number }) => done === 6 && controller.abort(reason),
  };
  await t.rejects(open(stopping), reason);
  const before = stamps(given.folder);
  t.equal(before.length, 4, 'two shards with their records');
  using whole = await open(given);
  t.same(stamps(given.folder).slice(0, 4), before);
  using fresh = await open({ ...given, folder: join(given.folder, '../fresh') });
  t.same((await whole.batch(all)).latents.data(), (await fresh.batch(all)).latents.data());
});

const damages: Record<string, (shard: string) => void> = {
  'a changed value': (path) => {
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
    writeFileSync(path, bytes);
  },
  'half a file': (path) => writeFileSync(path, readFileSync(path).subarray(0, 200)),
  'no file': (path) => rmSync(path),
  'a record that is no JSON': (path) => writeFileSync(`${path}.json`, '{'),
  'a record that is null': (path) => writeFileSync(`${path}.json`, 'null'),
  'a record of another cache': (path) => {
    const record = JSON.parse(readFileSync(`${path}.json`, 'utf8'));
    writeFileSync(`${path}.json`, JSON.stringify({ ...record, digest: 'sha256:0' }));
  },
};

for (const [name, damage] of Object.entries(damages)) {
  t.test(`${name} is made anew, and told of`, async (t) => {
    const given = await setUp(t);
    const { latents } = await (await open(given)).batch(all);
    const [, , shard = ''] = filesOf(given.folder); // a shard, its record, the second shard …
    const before = stamps(given.folder);
    damage(shard);
    given.events.length = 0;
    using cache = await open(given);
    const told = given.events.filter((event) => event.startsWith(shard));
    t.equal(told.length, 1, told.join());
    t.equal(given.events.length, 4, 'and nothing else');
    t.same((await cache.batch(all)).latents.data(), latents.data());
    const after = stamps(given.folder);
    t.same([after[0], after[4]], [before[0], before[4]], 'other shards stay');
  });
}

t.test('other data, options or weights are another cache', async (t) => {
  const given = await setUp(t);
  const scaled = await Autoencoder.load(vaeFolder);
  await scaled.setScalingFactor(0.5);
  const digests = new Set<string>();
  const variants: Partial<LatentCacheOptions>[] = [
    {},
    { data: await openTrainingData(samples, { resolution: 32, resize: 'center-crop' }) },
    { data: await openTrainingData(samples, { resolution: 16 }) },
    { data: await openTrainingData(samples.slice(1), { resolution: 32 }) },
    { autoencoder: scaled },
    { modelDigest: 'of my own' },
  ];
  for (const variant of variants) {
    using cache = await open({ ...given, ...variant });
    digests.add(cache.digest);
  }
  t.equal(digests.size, variants.length);
  t.equal(readdirSync(given.folder).length, variants.length);
  t.notMatch(given.events.join(), /anew|\.safetensors/);
});

t.test('without a listener, stderr says what is made anew', async (t) => {
  const given = await setUp(t, { onRebuild: undefined });
  (await open(given)).dispose();
  damages['half a file']?.(filesOf(given.folder)[0] ?? '');
  const said = t.capture(console, 'error');
  (await open(given)).dispose();
  t.match(
    String(said.args()),
    /latentray: .*00000\.safetensors: is not what was written; it is made anew/,
  );
});

t.test('misuse of latents', async (t) => {
  const given = await setUp(t);
  const random = await openTrainingData(samples, { resolution: 32, horizontalFlip: true });
  const invalid = { code: 'ERR_INVALID_ARG' };
  await t.rejects(open({ ...given, data: random }), { ...invalid, message: /horizontal-flip/ });
  await t.rejects(LatentCache.open({ folder: 'x' } as never), invalid);
  await t.rejects(open({ ...given, folder: '' }), invalid);
  await t.rejects(open({ ...given, shardSize: 0 }), invalid);
  await t.rejects(open({ ...given, folder: join(vaeFolder, 'config.json') }), {
    code: 'ERR_WRITE',
  });
  await t.rejects(open({ ...given, data: await closedData() }), { code: 'ERR_DISPOSED' });
  const odd = await openTrainingData(samples, { resolution: 30 });
  await t.rejects(open({ ...given, data: odd }), { code: 'ERR_SHAPE' });
  const cache = await open(given);
  for (const indices of [[], [7], [-1], [0.5], ['0'], undefined, 3]) {
    await t.rejects(cache.batch(indices as number[]), invalid);
  }
  const reason = new Error('enough');
  await t.rejects(cache.batch([0], { signal: AbortSignal.abort(reason) }), reason);
  cache.dispose();
  await t.rejects(cache.batch([0]), { code: 'ERR_DISPOSED' });
});

async function closedData() {
  const data = await openTrainingData(samples, { resolution: 32 });
  data.close();
  return data;
}

/** An encoder of two tokens whose states tell the text. */
function encoder() {
  const seen: string[][] = [];
  const encode = async (texts: readonly string[]) => {
    seen.push([...texts]);
    const values = texts.flatMap((text) => [text.length, 0, 0, text.charCodeAt(0) || -1]);
    return {
      lastHiddenState: Tensor.from(values, { shape: [texts.length, 2, 2] }),
      attentionMask: Tensor.from(
        texts.flatMap((text) => [1, text.length > 1 ? 1 : 0]),
        { shape: [texts.length, 2], dtype: 'int64' },
      ),
    };
  };
  return { seen, encode };
}

t.test('texts are encoded once, however often they come and whenever', async (t) => {
  const folder = t.testdir();
  const { seen, encode } = encoder();
  const options = { folder, encode, modelDigest: 'tiny', batchSize: 2, shardSize: 3 };
  const texts = ['one', 'a', 'one', '', 'three', 'four', 'a'];
  using cache = await TextStateCache.open({ ...options, texts });
  t.same(seen, [['one', 'a'], [''], ['three', 'four']]);
  t.equal(cache.length, 5);
  const { encoderHiddenStates, attentionMask } = await cache.batch(['four', '', 'a', 'four']);
  t.same(encoderHiddenStates.shape, [4, 2, 2]);
  t.same([...encoderHiddenStates.data()], [4, 0, 0, 102, 0, 0, 0, -1, 1, 0, 0, 97, 4, 0, 0, 102]);
  t.same([...(attentionMask as Tensor).data()], [1n, 1n, 1n, 0n, 1n, 0n, 1n, 1n]);
  seen.length = 0;
  using again = await TextStateCache.open({ ...options, texts: new Set(texts) });
  t.same(seen, []);
  t.same((await again.batch(['one'])).encoderHiddenStates.data()[0], 3);
  using other = await TextStateCache.open({ ...options, texts, modelDigest: 'other' });
  t.equal(seen.length, 3, 'another encoder is another cache');
  t.not(other.digest, cache.digest);
});

t.test('a new text is encoded alone, and what is there stays', async (t) => {
  const folder = t.testdir();
  const { seen, encode } = encoder();
  const events: string[] = [];
  const options = {
    ...{ folder, encode, modelDigest: 'tiny', batchSize: 2, shardSize: 2 },
    onProgress: ({ done, total }: { done: number; total: number }) =>
      events.push(`${done}/${total}`),
    onRebuild: (reason: string) => events.push(reason),
  };
  const filesIn = () => readdirSync(folder, { recursive: true }).map(String).sort();
  (await TextStateCache.open({ ...options, texts: ['one', 'three', ''] })).dispose();
  const before = filesIn().map((name) => [name, statSync(join(folder, name)).mtimeMs]);
  t.notMatch(
    readFileSync(join(folder, filesIn().find((name) => /texts/.test(name)) ?? '')),
    'three',
  );
  seen.length = 0;
  const texts = ['new', 'one', '', 'three', 'newer', 'newest'];
  using cache = await TextStateCache.open({ ...options, texts, shardSize: 100 });
  t.same(seen, [['new', 'newer'], ['newest']]);
  t.same(
    before.filter(([name]) => /\./.test(String(name))),
    before
      .map(([name]) => [name, statSync(join(folder, String(name))).mtimeMs])
      .filter(([name]) => /\./.test(String(name))),
  );
  t.equal(cache.length, 6);
  const { encoderHiddenStates, attentionMask } = await cache.batch(['newer', 'three', '', 'one']);
  t.same([...encoderHiddenStates.data()], [5, 0, 0, 110, 5, 0, 0, 116, 0, 0, 0, -1, 3, 0, 0, 111]);
  t.same(attentionMask?.shape, [4, 2]);
  t.same(events, ['2/3', '3/3', '6/6']);

  seen.length = 0;
  using fewer = await TextStateCache.open({ ...options, texts: ['newer', 'one'] });
  t.same([seen, fewer.length], [[], 2]);

  const broken = filesIn().find((name) => name.endsWith('00001.safetensors')) ?? '';
  writeFileSync(join(folder, broken), 'broken');
  events.length = 0;
  using mended = await TextStateCache.open({ ...options, texts });
  t.same(seen.flat(), ['one', '', 'three'], 'of the part that was broken');
  t.match(events, [/00001.*is not what was written/, '5/6', '6/6']);
  t.same((await mended.batch(['', 'new'])).encoderHiddenStates.data()[7], 110);
});

t.test('texts whose encoding was stopped are gone on with', async (t) => {
  const { seen, encode } = encoder();
  const options = { folder: t.testdir(), encode, modelDigest: 'tiny', shardSize: 1 };
  const controller = new AbortController();
  const reason = new Error('enough');
  const texts = ['a', 'b', 'c'];
  const onProgress = ({ done }: { done: number }) => done === 2 && controller.abort(reason);
  const stopping = { ...options, texts, onProgress, signal: controller.signal };
  await t.rejects(TextStateCache.open(stopping), reason);
  (await TextStateCache.open({ ...options, texts })).dispose();
  t.same(seen, [['a'], ['b'], ['c']]);
});

t.test('misuse of text states', async (t) => {
  const { encode } = encoder();
  const options = { folder: t.testdir(), encode, modelDigest: 'tiny' };
  const invalid = { code: 'ERR_INVALID_ARG' };
  for (const texts of [[], [3], 'one', undefined]) {
    await t.rejects(
      TextStateCache.open({ ...options, texts: texts as unknown as string[] }),
      invalid,
    );
  }
  const texts = ['one', 'two'];
  await t.rejects(TextStateCache.open({ ...options, texts, modelDigest: '' }), invalid);
  await t.rejects(TextStateCache.open({ ...options, texts, encode: 3 as never }), invalid);
  const mistake = new Error('of the encoder');
  const failing = () => Promise.reject(mistake);
  await t.rejects(TextStateCache.open({ ...options, texts, encode: failing }), mistake);
  for (const shape of [
    [1, 2, 2],
    [3, 2, 2],
  ]) {
    const wrong = async () => ({ lastHiddenState: Tensor.zeros(shape) });
    await t.rejects(TextStateCache.open({ ...options, texts, encode: wrong }), {
      code: 'ERR_SHAPE',
    });
  }
  const nothing = async () => ({}) as never;
  await t.rejects(TextStateCache.open({ ...options, texts, encode: nothing }), {
    code: 'ERR_SHAPE',
  });
  using cache = await TextStateCache.open({ ...options, texts });
  for (const wrong of [[], ['three'], [1], 'one', undefined]) {
    await t.rejects(cache.batch(wrong as unknown as string[]), invalid);
  }
});
