import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { loadTensors, nativeMemory, saveTensors, Tensor } from '../src/index.js';
import { caseFolders } from './support/golden.js';
import { committed } from './support/recipe.js';

t.test('memory is shared both ways', async (t) => {
  const data = new Float32Array([1, 2, 3, 4]);
  using tensor = Tensor.from(data, { shape: [2, 2] });
  t.same(tensor.shape, [2, 2]);
  t.equal(tensor.dtype, 'float32');
  t.equal(tensor.device, 'cpu');
  data[0] = 10;
  const doubled = await tensor.mul(2);
  t.same([...doubled.data()], [20, 4, 6, 8]);
  t.equal(tensor.data(), data);

  const view = doubled.data();
  view[1] = -1;
  t.same([...(await doubled.add(0)).data()], [20, -1, 6, 8]);
  doubled.dispose();
  t.equal(view[1], -1, 'a view outlives dispose()');
});

t.test('an offset view borrows only its part', async (t) => {
  const data = new Float32Array([0, 1, 2, 3, 4, 5]).subarray(2, 4);
  t.same([...(await Tensor.from(data).add(0)).data()], [2, 3]);
});

t.test('every dtype has its array', async (t) => {
  const cases = {
    float32: new Float32Array([1]),
    float64: new Float64Array([1]),
    int8: new Int8Array([1]),
    uint8: new Uint8Array([1]),
    int16: new Int16Array([1]),
    int32: new Int32Array([1]),
    int64: new BigInt64Array([1n]),
  };
  for (const [dtype, data] of Object.entries(cases)) {
    const tensor = Tensor.from(data);
    t.equal(tensor.dtype, dtype);
    t.equal((await tensor.add(0)).data().constructor, data.constructor);
  }
  const half = await Tensor.from([1.5]).to({ dtype: 'float16' });
  t.same([...half.data()], [0x3e00]);
  const brain = Tensor.from(new Uint16Array([0x3fc0]), { dtype: 'bfloat16' });
  t.same([...(await brain.to({ dtype: 'float32' })).data()], [1.5]);
  t.same([...Tensor.from(new Uint8Array([1, 0]), { dtype: 'bool' }).data()], [1, 0]);
});

t.test('noise is PyTorch’s, bit for bit', async (t) => {
  // torch.randn(4, generator=torch.Generator().manual_seed(42))
  const expected = ['0x1.58c55cp-2', '0x1.07cd3ap-3', '0x1.e02dcep-3', '0x1.d7b8d8p-3'];
  const noise = await Tensor.randn([4], { seed: 42 });
  t.same([...noise.data()], expected.map(hexFloat));
  const again = await Tensor.randn([4], { seed: 42n });
  t.same(again.data(), noise.data());
  await t.rejects(Tensor.randn([2], { seed: -1 }), { code: 'ERR_INVALID_ARG' });
  await t.rejects(Tensor.randn([2], { seed: 1.5 }), { code: 'ERR_INVALID_ARG' });
});

t.test('noise of every size is PyTorch’s', async (t) => {
  const { tensors, metadata } = await loadTensors(join(committed, 'noise.safetensors'));
  const seeds: Record<string, string> = JSON.parse(metadata.seeds ?? '');
  t.equal(Object.keys(seeds).length, 6);
  for (const [name, seed] of Object.entries(seeds)) {
    const expected = tensors[name];
    const noise = await Tensor.randn(expected?.shape ?? [], { seed: BigInt(seed) });
    t.same(noise.data(), expected?.data(), name);
  }
});

/** A C99 hexadecimal float such as 0x1.8p-1. */
function hexFloat(text: string): number {
  const [, sign, digits = '', exponent = ''] = /^(-?)0x1\.([0-9a-f]+)p([+-]?\d+)$/.exec(text) ?? [];
  const fraction = Number.parseInt(digits, 16) / 16 ** digits.length;
  return (sign ? -1 : 1) * (1 + fraction) * 2 ** Number(exponent);
}

t.test('operations are LibTorch’s', async (t) => {
  const a = Tensor.from([1, 2, 3, 4, 5, 6], { shape: [2, 3] });
  const values = async (result: Promise<Tensor>) => [...(await result).data()];
  t.same(await values(a.sub(1)), [0, 1, 2, 3, 4, 5]);
  t.same(await values(a.div(a)), [1, 1, 1, 1, 1, 1]);
  t.same(await values(a.matmul(await a.permute([1, 0]))), [14, 32, 32, 77]);
  t.same(await values(a.slice(1, 1, 3)), [2, 3, 5, 6]);
  t.same(await values(a.sum([0])), [5, 7, 9]);
  t.same(await values(a.mean()), [3.5]);
  t.same(await values(Tensor.from([3, 4]).norm()), [5]);
  t.same(await values(Tensor.from([0, 0]).softmax(0)), [0.5, 0.5]);
  t.same(await values(a.clamp(2, 4)), [2, 2, 3, 4, 4, 4]);
  t.same((await Tensor.cat([a, a])).shape, [4, 3]);
  t.same((await Tensor.stack([a, a], 1)).shape, [2, 2, 3]);
  t.same((await a.reshape([3, -1])).shape, [3, 2]);
  t.same([...Tensor.full([2], 7, { dtype: 'int64' }).data()], [7n, 7n]);
});

t.test('misuse is an error, never a crash', async (t) => {
  t.throws(() => Tensor.from(new Float32Array(3), { shape: [2, 2] }), { code: 'ERR_SHAPE' });
  t.throws(() => Tensor.from(new Uint16Array(1)), { code: 'ERR_DTYPE' });
  t.throws(() => Tensor.from(new Float32Array(1), { dtype: 'int64' }), { code: 'ERR_DTYPE' });
  for (const data of [[1, 'a'], [undefined], [1n]] as never[]) {
    t.throws(() => Tensor.from(data), { code: 'ERR_INVALID_ARG', message: /data/ });
  }
  t.throws(() => Tensor.from([1.5], { dtype: 'int64' }), { code: 'ERR_INVALID_ARG' });
  t.throws(() => Tensor.from('no' as never), { code: 'ERR_INVALID_ARG' });
  t.throws(() => Tensor.zeros([-1]), { code: 'ERR_INVALID_ARG' });
  t.throws(() => Tensor.zeros([1.5]), { code: 'ERR_INVALID_ARG' });
  t.throws(() => Tensor.zeros([1], { dtype: 'complex' as never }), { code: 'ERR_DTYPE' });
  t.throws(() => Tensor.from([1], { dtype: 'complex' as never }), {
    code: 'ERR_DTYPE',
    message: /'float32'.*received 'complex'/,
  });
  t.throws(() => Tensor.zeros([1], { device: 'cuda:99' }), { code: 'ERR_DEVICE_UNAVAILABLE' });
  const a = Tensor.zeros([2, 3]);
  await t.rejects(a.matmul(a), { code: 'ERR_SHAPE', message: /matmul of \[2, 3\]/ });
  await t.rejects(a.add({} as Tensor), { code: 'ERR_INVALID_ARG' });
  a.dispose();
  a.dispose();
  t.equal(a.disposed, true);
  t.throws(() => a.shape, { code: 'ERR_DISPOSED' });
  t.throws(() => a.data(), { code: 'ERR_DISPOSED' });
  await t.rejects(a.add(1), { code: 'ERR_DISPOSED' });
});

t.test('memory that does not suffice is named, with what was asked for', async (t) => {
  t.throws(() => Tensor.zeros([2 ** 50]), {
    code: 'ERR_OUT_OF_MEMORY',
    message: /4503599627370496 bytes/,
    bytes: '4503599627370496',
  });
  t.throws(() => Tensor.zeros([2 ** 52, 2 ** 20]), { code: 'ERR_OUT_OF_MEMORY' });
  await t.rejects(Tensor.randn([2 ** 50]), { code: 'ERR_OUT_OF_MEMORY', bytes: /\d+/ });
  const column = Tensor.zeros([2 ** 23, 1]);
  const row = Tensor.zeros([1, 2 ** 23]);
  await t.rejects(column.add(row), { code: 'ERR_OUT_OF_MEMORY', bytes: `${2 ** 48}` });
});

t.test('a borrowed buffer that is transferred or resized harms nobody', async (t) => {
  const data = new Float32Array([1, 2, 3]);
  const tensor = Tensor.from(data);
  try {
    structuredClone(data.buffer, { transfer: [data.buffer] });
  } catch (error) {
    t.equal((error as Error).name, 'DataCloneError');
  }
  t.same([...(await tensor.add(0)).data()], [1, 2, 3]);

  // Node 20 has no ArrayBuffer.prototype.transfer: a prototype of its own stands for it.
  const movable = new Float32Array([4, 5]);
  if (!('transfer' in ArrayBuffer.prototype)) {
    const prototype = Object.create(ArrayBuffer.prototype, { transfer: { value: () => 'moved' } });
    Object.setPrototypeOf(movable.buffer, prototype);
  }
  using lent = Tensor.from(movable);
  const buffer = movable.buffer as unknown as { transfer(): unknown };
  t.throws(() => buffer.transfer(), { code: 'ERR_BORROWED', message: /slice\(\)/ });
  t.same([...(await lent.add(0)).data()], [4, 5]);

  const resizable = new (ArrayBuffer as new (n: number, o: object) => ArrayBuffer)(12, {
    maxByteLength: 64,
  });
  const copied = Tensor.from(new Float32Array(resizable));
  (resizable as unknown as { resize(n: number): void }).resize(0);
  t.same([...(await copied.add(1)).data()], [1, 1, 1]);

  const shared = new Float32Array(new SharedArrayBuffer(8));
  shared[1] = 5;
  t.same([...(await Tensor.from(shared).add(0)).data()], [0, 5]);
});

t.test('2,000 tensors give their memory back', async (t) => {
  const before = nativeMemory();
  for (let i = 0; i < 2000; i++) {
    using a = Tensor.zeros([1000]);
    using b = await a.add(1);
    t.equal(b.byteLength, 4000);
  }
  t.same(nativeMemory(), before, 'with dispose()');
});

t.test('safetensors are mapped, written and checked', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'latentray-'));
  const path = join(folder, 'file.safetensors');
  const tensors = {
    weight: await Tensor.randn([3, 5]),
    ids: Tensor.from([1, 2], { dtype: 'int64' }),
  };
  await saveTensors(path, tensors, { metadata: { format: 'pt', note: 'ä' } });
  t.same(readdirSync(folder), ['file.safetensors'], 'no temporary file is left');
  const read = await loadTensors(path);
  t.same(read.metadata, { format: 'pt', note: 'ä' });
  t.same(read.tensors.weight?.data(), tensors.weight.data());
  t.same(read.tensors.ids?.data(), tensors.ids.data());
  // A header of 1152 bytes has the length 80 04 00 …, which is how a pickle begins.
  const note = 'x'.repeat(1152 - JSON.stringify({ __metadata__: { note: '' } }).length);
  const like = join(folder, 'like-a-pickle.safetensors');
  const length = Buffer.from([0x80, 4, 0, 0, 0, 0, 0, 0]);
  writeFileSync(
    like,
    Buffer.concat([length, Buffer.from(JSON.stringify({ __metadata__: { note } }))]),
  );
  t.same((await loadTensors(like)).metadata, { note });
  const half = await loadTensors(path, { dtype: 'float16' });
  t.equal(half.tensors.weight?.dtype, 'float16');
  t.equal(half.tensors.ids?.dtype, 'int64', 'integers keep their dtype');

  await t.rejects(loadTensors(join(folder, 'none')), { code: 'ERR_MODEL_NOT_FOUND' });
  await t.rejects(saveTensors(join(folder, 'no/such/folder'), tensors), { code: 'ERR_WRITE' });
  const header = (json: string) => {
    const text = Buffer.from(json);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, Buffer.alloc(16)]);
  };
  const bad = {
    empty: Buffer.alloc(0),
    'not json': header('nonsense'),
    'unknown dtype': header('{"a":{"dtype":"F13","shape":[4],"data_offsets":[0,16]}}'),
    'wrong size': header('{"a":{"dtype":"F32","shape":[5],"data_offsets":[0,16]}}'),
    overflow: header('{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,16]}}'),
    negative: header('{"a":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}}'),
    hole: header('{"a":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}}'),
    overlap: header(
      '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}',
    ),
    outside: header('{"a":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}}'),
  };
  for (const [name, bytes] of Object.entries(bad)) {
    const file = join(folder, name);
    writeFileSync(file, bytes);
    await t.rejects(loadTensors(file), { code: 'ERR_WEIGHTS_CORRUPT', path: file }, name);
  }
});

for (const { name, path, skip } of caseFolders) {
  t.test(`broken files are named as such (${name} cases)`, { skip }, async (t) => {
    for (const file of ['bad-offsets', 'bad-header-length', 'truncated']) {
      await t.rejects(loadTensors(join(path, `formats/${file}.safetensors`)), {
        code: 'ERR_WEIGHTS_CORRUPT',
      });
    }
  });
}
