import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LatentrayError, loadTensors, type Tensor } from '../../src/index.js';
import { caseFolders, goldenPath, tensor, withoutGolden } from '../support/golden.js';
import { committed } from '../support/recipe.js';

const small = (name: string) => join(committed, 'formats', name);

function sameBytes(t: Test, actual: Record<string, Tensor>, expected: Record<string, Tensor>) {
  t.same(Object.keys(actual).sort(), Object.keys(expected).sort());
  for (const [name, tensor] of Object.entries(expected)) {
    t.equal(actual[name]?.dtype, tensor.dtype, name);
    t.same(actual[name]?.shape, tensor.shape, name);
    t.same(actual[name]?.data(), tensor.data(), name);
  }
}

for (const name of ['small.zip.bin', 'small.legacy.bin', 'small.nested.ckpt']) {
  t.test(`${name} holds what the safetensors file holds`, async (t) => {
    const expected = await loadTensors(small('small.safetensors'));
    const actual = await loadTensors(small(name));
    sameBytes(t, actual.tensors, expected.tensors);
  });
}

t.test('parameters are tensors, and numbers beside the weights are metadata', async (t) => {
  const expected = await loadTensors(small('small.safetensors'));
  const { tensors } = await loadTensors(small('small.parameter.bin'));
  t.same(tensors.weight?.data(), tensor(expected, 'weight').data());
  t.match((await loadTensors(small('small.nested.ckpt'))).metadata, { global_step: '7' });
});

t.test('the kind of a file is told by its content, whatever its name says', async (t) => {
  const misnamed = join(t.testdir(), 'model.safetensors');
  await writeFile(misnamed, await readFile(small('small.zip.bin')));
  t.ok((await loadTensors(misnamed)).tensors.weight);
});

t.test('published files of a text encoder in every form', { skip: withoutGolden }, async (t) => {
  const formats = (name: string) => loadTensors(goldenPath(`formats/${name}`));
  const expected = await formats('text_encoder.expected.safetensors');
  for (const name of ['text_encoder.pytorch_model.bin', 'text_encoder.legacy-format.bin']) {
    sameBytes(t, (await formats(name)).tensors, expected.tensors);
  }
  for (const [name, dtype] of [
    ['text_encoder.half-nested.ckpt', 'float16'],
    ['text_encoder.bf16.safetensors', 'bfloat16'],
  ] as const) {
    const rounded: Record<string, Tensor> = {};
    for (const [key, value] of Object.entries(expected.tensors)) {
      rounded[key] = await value.to({ dtype });
    }
    sameBytes(t, (await formats(name)).tensors, rounded);
  }
});

/** Each broken or hostile file, with its code and a part of its message. */
const broken: [string, string, RegExp][] = [
  ['hostile.zip.bin', 'ERR_WEIGHTS_UNSAFE', /'posix\.system'/],
  ['hostile.legacy.bin', 'ERR_WEIGHTS_UNSAFE', /'posix\.system'/],
  ['module.bin', 'ERR_WEIGHTS_UNSAFE', /'torch\.nn\.modules\.linear\.Linear'/],
  ['truncated.safetensors', 'ERR_WEIGHTS_CORRUPT', /fill|truncated|outside/i],
  ['bad-header-length.safetensors', 'ERR_WEIGHTS_CORRUPT', /header/],
  ['bad-offsets.safetensors', 'ERR_WEIGHTS_CORRUPT', /offsets|begin/],
];

/** The refusal of a file, and how long it took. */
async function refusal(path: string): Promise<{ error: LatentrayError; elapsedMs: number }> {
  const startedAt = performance.now();
  const error = await loadTensors(path).then(
    () => new Error('nothing was thrown'),
    (reason: unknown) => reason,
  );
  if (!LatentrayError.isInstance(error)) throw error;
  return { error, elapsedMs: performance.now() - startedAt };
}

t.test('broken and hostile files are refused by name, at once, with no side effect', async (t) => {
  for (const { path: folder } of caseFolders.filter(({ skip }) => !skip)) {
    for (const [name, code, message] of broken) {
      const path = join(folder, 'formats', name);
      if (!existsSync(path)) continue;
      const { error, elapsedMs } = await refusal(path);
      t.equal(error.code, code, name);
      t.match(error.message, message, name);
      t.equal(error.path, path);
      t.ok(elapsedMs < 100, `${name}: ${elapsedMs} ms`);
    }
  }
  t.notOk(existsSync('/tmp/latentray-was-here'));
});

t.test('the hostile file of the reference set', { skip: withoutGolden }, async (t) => {
  const { error, elapsedMs } = await refusal(goldenPath('formats/hostile.bin'));
  t.equal(error.code, 'ERR_WEIGHTS_UNSAFE');
  t.match(error, { global: /system/ });
  t.ok(elapsedMs < 100, `${elapsedMs} ms`);
});

t.test('what is no checkpoint at all is named as what it is', async (t) => {
  const cases: [string, RegExp][] = [
    ['version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n', /Git LFS pointer/],
    ['<!DOCTYPE html><html></html>', /web page/],
    ['', /8 bytes/],
    ['PK\x03\x04', /no directory/],
    ['\x80\x02}', /too early/],
    ['\x80\x02}q\x00.', /not one that torch.save wrote/],
  ];
  for (const [content, message] of cases) {
    const path = join(t.testdir(), 'x.bin');
    await writeFile(path, content, 'latin1');
    const { error } = await refusal(path);
    t.equal(error.code, 'ERR_WEIGHTS_CORRUPT');
    t.match(error.message, message);
  }
});
