import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { openTrainingData, type TrainingSample } from '../../../src/index.js';
import { picture, writeMetadata } from './training-pictures.js';

const png = await picture(8, 8).toBuffer('png');
const options = { resolution: 8 };
const row = { file_name: 'a.png', text: 'one' };

t.test('a folder with metadata.jsonl', async (t) => {
  const folder = t.testdir({ 'a.png': png, inner: { 'b.png': png } });
  writeMetadata(folder, [
    { ...row, split: 'train', weight: null, labels: ['x'] },
    '',
    { file_name: 'inner/b.png', text: 'två', id: 'b', weight: 0.5, mask: 'a.png' },
  ]);
  using data = await openTrainingData(folder, options);
  t.same(data.ids, ['a.png', 'b']);
  t.same(data.texts, ['one', 'två']);
  t.same(data.weights, [1, 0.5]);
  t.equal(data.length, 2);
});

t.test('lines are found again whatever the size of the file', async (t) => {
  const folder = t.testdir({ 'a.png': png });
  const rows = Array.from({ length: 3000 }, (_, i) => ({
    ...row,
    id: `${i}`,
    text: `${i} ø`.repeat(9),
  }));
  writeMetadata(folder, rows);
  using data = await openTrainingData(folder, { ...options, fingerprint: 'stat' });
  t.same(
    data.texts,
    rows.map(({ text }) => text),
  );
  writeMetadata(folder, [...rows, { ...row, text: 4 }]);
  await t.rejects(openTrainingData(folder, options), { code: 'ERR_DATASET', line: 3001 });
});

t.test('paths, URLs, bytes and images', async (t) => {
  const folder = t.testdir({ 'a.png': png });
  const path = join(folder, 'a.png');
  const images = [path, pathToFileURL(path), png, picture(8, 8)];
  const samples = images.map((image, i) => ({ image, text: '', id: `${i}` }));
  using data = await openTrainingData(new Set(samples), options);
  using batch = await data.batch([0, 1, 2, 3], { step: 0, sampleNumbers: [0, 1, 2, 3] });
  const pixels = batch.pixels.data();
  for (let n = 1; n < 4; ++n) t.same(pixels.slice(n * 192, (n + 1) * 192), pixels.slice(0, 192));
});

const wrongRows: readonly [string, unknown, RegExp][] = [
  ['no JSON', '{"file_name": ', /metadata\.jsonl:2: not valid JSON/],
  ['an array', [], /:2: expected a JSON object, found an array/],
  ['a text that is a number', { ...row, text: 3 }, /:2: text: expected a string, found 3/],
  ['no text', { file_name: 'a.png' }, /:2: text: expected a string, found nothing/],
  ['a text that is null', { ...row, text: null }, /:2: text: expected a string, found nothing/],
  ['no file name', { text: 'x' }, /:2: file_name: expected a path, found nothing/],
  ['an absolute path', { ...row, file_name: '/etc/hostname' }, /inside the folder/],
  [
    'a path that leaves the folder',
    { ...row, mask: 'x/../../a.png' },
    /:2: mask: .*inside the folder/,
  ],
  ['a weight below 0', { ...row, weight: -1 }, /:2: weight: expected a number from 0 on, found -1/],
  ['a weight that is a text', { ...row, weight: '1' }, /:2: weight: .* found '1'/],
  [
    'an endless weight',
    '{"file_name": "a.png", "text": "", "weight": 1e999}',
    /:2: weight: .*Infinity/,
  ],
  ['an id that is a number', { ...row, id: 4 }, /:2: id: expected a string/],
  ['an id that there is', { ...row }, /:2: id 'a\.png': expected one of its own, line 1 has it/],
  [
    'an image that is not there',
    { ...row, file_name: 'b.png' },
    /:2: image: .*b\.png is not there/,
  ],
  [
    'an image that is a folder',
    { ...row, file_name: 'inner' },
    /:2: image: .* cannot be read \(EISDIR\)/,
  ],
  [
    'a mask that is not there',
    { ...row, id: 'm', mask: 'b.png' },
    /:2: mask: .*b\.png is not there/,
  ],
  [
    'a line without end',
    `"${'x'.repeat(2 ** 21)}`,
    /:2: (expected a line of at most|not valid JSON)/,
  ],
];

for (const [name, wrong, message] of wrongRows) {
  t.test(`a row with ${name}`, async (t) => {
    const folder = t.testdir({ 'a.png': png, inner: {} });
    writeMetadata(folder, [row, wrong]);
    const path = join(folder, 'metadata.jsonl');
    const expected = { code: 'ERR_DATASET', path, line: 2, message };
    await t.rejects(openTrainingData(folder, options), expected);
  });
}

t.test('folders without samples', async (t) => {
  const folder = t.testdir({ empty: {}, blank: { 'metadata.jsonl': '\n \n' } });
  const rejects = (path: string, message: RegExp) =>
    t.rejects(openTrainingData(path, options), { code: 'ERR_DATASET', message });
  await rejects(join(folder, 'nowhere'), /metadata\.jsonl: cannot be read \(ENOENT\); .*file_name/);
  await rejects(join(folder, 'empty'), /metadata\.jsonl: cannot be read \(ENOENT\)/);
  await rejects(join(folder, 'blank'), /at least one image with its text, found none/);
  mkdirSync(join(folder, 'empty/metadata.jsonl'));
  await rejects(join(folder, 'empty'), /cannot be read \(EISDIR\)/);
});

t.test('samples that are none', async (t) => {
  const image = picture(8, 8);
  const cases: readonly [unknown, RegExp][] = [
    [[], /at least one image/],
    [[image], /source\[0\]: image: expected a path/],
    [[null], /source\[0\]: expected \{ image, text \}, found null/],
    [[{ image, text: '' }, 'x'], /source\[1\]: expected \{ image, text \}, found 'x'/],
    [[{ image, text: 1 }], /source\[0\]: text: expected a string, found 1/],
    [[{ image: 3, text: '' }], /source\[0\]: image: expected a path/],
    [[{ image: '', text: '' }], /source\[0\]: image: expected a path/],
    [
      [{ image: new URL('https://example.org/a.png'), text: '' }],
      /image: expected a path, a file: URL/,
    ],
    [[{ image, text: '', weight: Number.NaN }], /weight: expected a number from 0 on, found NaN/],
    [[{ image, text: '', id: '' }], /id: expected a string that is not empty/],
    [[{ image, text: '', mask: true }], /mask: expected a path/],
    [[{ image: 'nowhere.png', text: '' }], /source\[0\]: image: nowhere\.png is not there/],
    [new Uint8Array(2), /source\[0\]: expected \{ image, text \}, found 0/],
  ];
  for (const [source, message] of cases) {
    const opening = openTrainingData(source as TrainingSample[], options);
    await t.rejects(opening, { code: 'ERR_DATASET', message });
  }
  for (const source of [undefined, null, 3, '', { image, text: '' }]) {
    const opening = openTrainingData(source as unknown as string, options);
    await t.rejects(opening, { code: 'ERR_INVALID_ARG', message: /source: expected a folder/ });
  }
});

t.test('what a source throws is passed on, and the source is closed when it is left', async (t) => {
  const mistake = new Error('of the source');
  // biome-ignore lint/correctness/useYield: it fails at once
  async function* failing(): AsyncGenerator<TrainingSample> {
    throw mistake;
  }
  await t.rejects(openTrainingData(failing(), options), mistake);
  let closed = false;
  function* leaving() {
    try {
      yield { image: png, text: 5 as unknown as string };
      yield { image: png, text: '' };
    } finally {
      closed = true;
    }
  }
  await t.rejects(openTrainingData(leaving(), options), { code: 'ERR_DATASET' });
  t.ok(closed);
});

t.test('wrong options', async (t) => {
  const samples = [{ image: png, text: '' }];
  const wrong = [
    {},
    { resolution: 0 },
    { resolution: 8.5 },
    { resolution: { width: 8 } },
    { ...options, resize: 'stretch' },
    { ...options, horizontalFlip: 'yes' },
    { ...options, orientation: true },
    { ...options, seed: -1 },
    { ...options, seed: 0.5 },
    { ...options, concurrency: 0 },
    { ...options, fingerprint: 'time' },
    { ...options, centreCrop: true },
  ];
  for (const each of wrong) {
    const opening = openTrainingData(samples, each as unknown as typeof options);
    await t.rejects(opening, { code: 'ERR_INVALID_ARG' }, JSON.stringify(each));
  }
});

t.test('opening stops with the signal’s reason', async (t) => {
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  await t.rejects(openTrainingData([{ image: png, text: '' }], { ...options, signal }), reason);
  const controller = new AbortController();
  function* source() {
    yield { image: png, text: '', id: 'a' };
    controller.abort(reason);
    yield { image: png, text: '', id: 'b' };
  }
  await t.rejects(openTrainingData(source(), { ...options, signal: controller.signal }), reason);
});
