import { copyFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  FeatureCache,
  type FeatureCacheOptions,
  FeatureExtractor,
  Image,
  nativeMemory,
  Tensor,
} from '../../src/index.js';
import { relativeError } from '../support/golden.js';
import { writeTinyDenseNet } from '../support/tiny-densenet.js';

async function setUp(t: Test, options: Partial<FeatureCacheOptions> = {}) {
  const root = t.testdir();
  const weights = join(root, 'densenet.safetensors');
  await writeTinyDenseNet(weights);
  const extractor = await FeatureExtractor.densenet(weights);
  const reasons: string[] = [];
  const onRebuild = (reason: string) => void reasons.push(reason);
  const folder = join(root, 'cache');
  const open = (more: Partial<FeatureCacheOptions> = {}) =>
    FeatureCache.open({ folder, extractor, onRebuild, ...options, ...more });
  return { root, weights, extractor, folder, reasons, open };
}

/** Three grey images that differ. */
function images(): Image[] {
  return [10, 90, 200].map((value) => {
    const data = Uint8Array.from({ length: 24 * 20 }, (_, i) => (value + i) % 256);
    return new Image({ width: 24, height: 20, channels: 1, data });
  });
}

function filesOf(folder: string): string[] {
  return readdirSync(folder).flatMap((name) =>
    readdirSync(join(folder, name)).map((file) => join(folder, name, file)),
  );
}

t.test('what is kept is what the network gives, and is not computed again', async (t) => {
  const { extractor, folder, reasons, open } = await setUp(t);
  const expected = await extractor.forward(images());
  const cache = await open();
  const first = await cache.forward(images());
  t.same([cache.computed, filesOf(folder).length], [3, 3]);
  const again = await open();
  const second = await again.forward(images());
  t.equal(again.computed, 0, 'read from disk');
  for (const found of [first, second]) {
    t.equal(found.source, expected.source);
    for (const name of ['features', 'logits', 'probabilities'] as const) {
      t.same(found[name].shape, expected[name].shape);
      t.equal(await relativeError(found[name], expected[name]), 0, name);
    }
  }
  const pixels = Tensor.from(
    images().flatMap(({ data }) => Array.from(data, (value) => value / 255)),
    { shape: [3, 1, 20, 24] },
  );
  await again.forward(pixels);
  t.equal(again.computed, 0, 'a tensor of the same pixels is the same image');
  t.same(reasons, []);
});

t.test('only images that are new are computed, in any order and once each', async (t) => {
  const { extractor, open } = await setUp(t);
  const [a, b, c] = images() as [Image, Image, Image];
  const cache = await open();
  await cache.forward(b);
  const found = await cache.forward([c, b, a, c]);
  t.equal(cache.computed, 3);
  const expected = await extractor.forward([c, b, a, c]);
  t.ok((await relativeError(found.features, expected.features)) < 1e-6);
  await Promise.all([cache.forward([a, b]), cache.forward([b, c])]);
  t.equal(cache.computed, 3);
});

t.test('another network, dtype or size of an image is another file', async (t) => {
  const { root, weights, extractor, open } = await setUp(t);
  const cache = await open();
  await cache.forward(images());
  const half = await FeatureExtractor.densenet(weights, { dtype: 'bfloat16' });
  const other = join(root, 'other.safetensors');
  copyFileSync(weights, other);
  const bytes = readFileSync(other);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
  writeFileSync(other, bytes);
  t.not((await open({ extractor: half })).digest, cache.digest);
  const taught = await open({ extractor: await FeatureExtractor.densenet(other) });
  t.not(taught.digest, cache.digest);
  await taught.forward(images());
  t.equal(taught.computed, 3);
  const [{ data } = { data: new Uint8Array() }] = images();
  await cache.forward(new Image({ width: 20, height: 24, channels: 1, data }));
  t.equal(cache.computed, 4, 'the same bytes in another shape');
  t.equal(cache.source, extractor.sourceOf());
});

t.test('memory has a bound, and what left it comes back from disk', async (t) => {
  const { open } = await setUp(t);
  const rowBytes = (10 + 18 + 18) * 4;
  const cache = await open({ memoryBytes: 2 * rowBytes + 1 });
  await cache.forward(images());
  t.equal(cache.bytesInMemory, 2 * rowBytes);
  await cache.forward(images());
  t.same([cache.computed, cache.bytesInMemory], [3, 2 * rowBytes]);
  const none = await open({ memoryBytes: 0 });
  await none.forward(images());
  t.same([none.computed, none.bytesInMemory], [0, 0]);
});

t.test('damaged and foreign files are told of and made anew', async (t) => {
  const { folder, reasons, open } = await setUp(t);
  const expected = await (await open()).forward(images());
  const [cut, flipped, foreign] = filesOf(folder).sort() as [string, string, string];
  copyFileSync(cut, foreign);
  truncateSync(cut, 100);
  const bytes = readFileSync(flipped);
  bytes[bytes.length - 2] = (bytes[bytes.length - 2] as number) ^ 8;
  writeFileSync(flipped, bytes);

  const cache = await open();
  const found = await cache.forward(images());
  t.equal(cache.computed, 3);
  t.equal(await relativeError(found.features, expected.features), 0);
  t.equal(reasons.length, 3);
  for (const [path, reason] of [
    [cut, /\b(truncated|header|bytes|cut)/],
    [flipped, /is not what was written/],
    [foreign, /is of another image or network/],
  ] as const) {
    t.match(
      reasons.find((each) => each.includes(path)),
      reason,
    );
  }
  const mended = await open();
  await mended.forward(images());
  t.equal(mended.computed, 0);
  t.equal(reasons.length, 3, 'once');

  writeFileSync(cut, 'no tensors');
  const said = t.capture(console, 'error', () => {});
  await (await open({ onRebuild: undefined })).forward(images());
  t.match(
    said()[0]?.args[0],
    /latentray: .*safetensors.*; it is made anew/,
    'on stderr by default',
  );
});

t.test('writers at the same time leave whole files and no others', async (t) => {
  const { folder, open } = await setUp(t);
  const caches = await Promise.all([open(), open(), open()]);
  await Promise.all(caches.map((cache) => cache.forward(images())));
  t.equal(filesOf(folder).length, 3);
  t.ok(filesOf(folder).every((path) => /^[0-9a-f]{64}\.safetensors$/.test(path.slice(-76))));
  const last = await open();
  await last.forward(images());
  t.equal(last.computed, 0);
});

t.test('misuse is named and keeps nothing', async (t) => {
  const { weights, extractor, folder, open } = await setUp(t);
  const invalid = (message: RegExp) => ({ code: 'ERR_INVALID_ARG', message });
  await t.rejects(open({ folder: '' }), invalid(/folder/));
  await t.rejects(open({ extractor: {} as never }), invalid(/FeatureExtractor/));
  await t.rejects(open({ layer: '64' }), invalid(/layer/));
  await t.rejects(open({ memoryBytes: -1 }), invalid(/memoryBytes/));
  await t.rejects(open({ onRebuild: 'loud' as never }), invalid(/function/));
  await t.rejects(open({ foldr: '' } as never), invalid(/foldr/));
  await t.rejects(open({ folder: join(weights, 'cache') }), { code: 'ERR_WRITE' });
  const cache = await open();
  const wrong: [unknown, string, RegExp][] = [
    [Tensor.ones([8, 8]), 'ERR_SHAPE', /H, W/],
    [Tensor.ones([0, 1, 8, 8]), 'ERR_SHAPE', /H, W/],
    [Tensor.ones([1, 1, 8, 8], { dtype: 'uint8' }), 'ERR_DTYPE', /uint8|Byte/],
    [Tensor.full([1, 1, 8, 8], Number.NaN), 'ERR_NON_FINITE', /NaN/],
    [Tensor.full([1, 1, 8, 8], 255), 'ERR_INVALID_ARG', /255/],
    [[], 'ERR_INVALID_ARG', /image/],
    ['image', 'ERR_INVALID_ARG', /images/],
  ];
  for (const [given, code, message] of wrong) {
    await t.rejects(cache.forward(given as never), { code, message });
  }
  await t.rejects(cache.forward(images(), { sygnal: 1 } as never), invalid(/sygnal/));
  const reason = new Error('enough');
  await t.rejects(cache.forward(images(), { signal: AbortSignal.abort(reason) }), reason);
  await t.rejects(open({ signal: AbortSignal.abort(reason) }), reason);
  t.same([cache.computed, filesOf(folder)], [0, []]);

  await cache.forward(images());
  const before = nativeMemory();
  const { features, logits, probabilities } = await cache.forward(images());
  for (const each of [features, logits, probabilities]) each.dispose();
  t.same(nativeMemory(), before, 'a call leaves nothing behind');
  extractor.dispose();
  await cache.forward(images());
  const unseen = Tensor.zeros([1, 1, 24, 20]);
  await t.rejects(
    cache.forward(unseen),
    { code: 'ERR_DISPOSED' },
    'only kept images need no network',
  );
});
