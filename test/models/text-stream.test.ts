import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import {
  nativeMemory,
  type PoolTextOptions,
  type Tensor,
  type TextBatch,
  TextEncoder,
  type TextSource,
} from '../../src/index.js';
import { relativeError } from '../support/golden.js';
import { recipeFolder } from '../support/recipe.js';

const load = async (name = 'recipe-bert') => TextEncoder.load(await recipeFolder(name));

/** Texts of many lengths, in no order. */
function texts(count: number): string[] {
  const words = ['no', 'small', 'left', 'effusion', 'clear', 'lungs', 'heart'];
  return Array.from({ length: count }, (_, n) =>
    Array.from({ length: 1 + ((n * 37) % 23) }, (_, k) => words[(n + k) % words.length]).join(' '),
  );
}

async function collect(stream: AsyncIterable<TextBatch>): Promise<TextBatch[]> {
  const batches: TextBatch[] = [];
  for await (const batch of stream) batches.push(batch);
  return batches;
}

function rowsOf(batches: readonly TextBatch[]): Float32Array[] {
  return batches.flatMap(({ pooled }) => {
    const [count = 0, width = 0] = pooled?.shape ?? [];
    const data = pooled?.data() as Float32Array;
    return Array.from({ length: count }, (_, row) => data.slice(row * width, (row + 1) * width));
  });
}

t.test('a stream gives each text its own vector, in the order of the texts', async (t) => {
  using encoder = await load();
  const list = texts(150);
  const options = { pooling: 'mean', normalize: true } as const;
  const batches = await collect(encoder.encodeStream(list, { ...options, batchSize: 4 }));
  t.same(
    batches.map(({ start }) => start),
    Array.from({ length: 38 }, (_, n) => n * 4),
  );
  t.same(
    batches.flatMap((batch) => batch.texts),
    list,
  );
  t.same(batches.at(-1)?.pooled?.shape, [2, 24]);
  const rows = rowsOf(batches);
  for (const index of [0, 1, 63, 64, 65, 149]) {
    const { pooled } = await encoder.encode(list[index] as string, options);
    near(t, rows[index], pooled?.data() as Float32Array, `text ${index}`);
  }
});

t.test('texts come from arrays, generators, streams and one string', async (t) => {
  using encoder = await load('recipe-roberta');
  const list = texts(20);
  async function* slowly() {
    for (const text of list) {
      await setTimeout(1);
      yield text;
    }
  }
  const pool = async (source: TextSource) =>
    rowsOf(await collect(encoder.encodeStream(source, { pooling: 'cls', batchSize: 8 })));
  const expected = await pool(list);
  t.equal(expected.length, 20);
  for (const source of [new Set(list), list.values(), slowly()]) {
    const rows = await pool(source);
    t.equal(rows.length, 20);
    for (const [index, row] of rows.entries()) near(t, row, expected[index] as Float32Array);
  }
  t.equal((await pool('one text')).length, 1);
  t.same(await pool([]), []);
});

t.test('without pooling a stream gives states', async (t) => {
  using encoder = await load();
  const list = texts(7);
  const batches = await collect(encoder.encodeStream(list, { batchSize: 3 }));
  t.same(
    batches.map(({ start, pooled }) => [start, pooled]),
    [
      [0, undefined],
      [3, undefined],
      [6, undefined],
    ],
  );
  const { lastHiddenState } = await encoder.encode(list.slice(3, 6));
  const error = await relativeError(batches[1]?.lastHiddenState as Tensor, lastHiddenState);
  t.ok(error <= 1e-5, String(error));
  t.same(batches[1]?.attentionMask?.shape, lastHiddenState.shape.slice(0, 2));
});

t.test('what is cut is said for each text', async (t) => {
  using encoder = await load();
  const list = ['clear', 'effusion '.repeat(100), 'lungs', 'heart size '.repeat(50)];
  const [batch] = await collect(encoder.encodeStream(list, { pooling: 'mean' }));
  t.equal(batch?.truncated, true);
  t.same(
    batch?.droppedTexts.map((dropped) => dropped !== ''),
    [false, true, false, true],
  );
  const [short] = await collect(
    encoder.encodeStream(list, { pooling: 'mean', maxLength: 4, batchSize: 2 }),
  );
  t.same(short?.droppedTexts.length, 2);
  t.equal(short?.droppedTexts[0], '');
});

t.test('a stream that is aborted rejects with the reason; the encoder goes on', async (t) => {
  using encoder = await load();
  const reason = new Error('seen enough');
  const controller = new AbortController();
  const options = { pooling: 'mean', batchSize: 2, signal: controller.signal } as const;
  const seen: number[] = [];
  const consume = async () => {
    for await (const { start } of encoder.encodeStream(texts(400), options)) {
      seen.push(start);
      if (start === 4) controller.abort(reason);
    }
  };
  await t.rejects(consume(), reason);
  t.ok(seen.length < 40, 'later windows were not computed');
  const aborted = { pooling: 'mean', signal: AbortSignal.abort(reason) } as const;
  await t.rejects(collect(encoder.encodeStream(texts(3), aborted)), reason);
  t.same((await encoder.encode('clear', { pooling: 'mean' })).pooled?.shape, [1, 24]);
});

t.test('a loop that is left stops the work and asks for no more texts', async (t) => {
  using encoder = await load();
  let read = 0;
  let closed = false;
  function* source() {
    try {
      for (const text of texts(1000)) {
        read++;
        yield text;
      }
    } finally {
      closed = true;
    }
  }
  for await (const _ of encoder.encodeStream(source(), { pooling: 'mean', batchSize: 2 })) break;
  t.ok(read <= 64, `two windows at most, ${read}`);
  t.ok(closed, 'the source was told');
});

t.test('a stream of wrong things is an error', async (t) => {
  using encoder = await load();
  const stream = (source: unknown, options: object = {}) =>
    collect(
      encoder.encodeStream(
        source as TextSource,
        { pooling: 'mean', ...options } as PoolTextOptions,
      ),
    );
  const code = 'ERR_INVALID_ARG';
  await t.rejects(stream(7), { code, message: /texts/ });
  await t.rejects(stream(undefined), { code });
  await t.rejects(stream(['a', 7]), { code, message: /texts\[1\]/ });
  await t.rejects(stream(['a'], { poling: 'cls' }), { code, message: /poling/ });
  await t.rejects(stream(['a'], { skipLayers: 1 }), { code, message: /skipLayers/ });
  await t.rejects(stream(['a'], { layer: 9 }), { code, message: /layer/ });
  const failing = (function* () {
    yield 'a';
    throw new Error('from the source');
  })();
  await t.rejects(stream(failing), { message: 'from the source' });
  encoder.dispose();
  await t.rejects(stream(['a']), { code: 'ERR_DISPOSED' });
});

t.test('the event loop is free while a long stream is tokenised', async (t) => {
  using encoder = await load();
  let ticks = 0;
  const timer = setInterval(() => ticks++, 5);
  await collect(encoder.encodeStream(texts(600), { pooling: 'mean' }));
  clearInterval(timer);
  t.ok(ticks > 5, `${ticks} ticks`);
});

t.test('nothing stays behind', async (t) => {
  using encoder = await load();
  const run = () => collect(encoder.encodeStream(texts(64), { pooling: 'mean', batchSize: 4 }));
  const disposeAll = (batches: TextBatch[]) => {
    for (const { pooled } of batches) pooled?.dispose();
  };
  disposeAll(await run());
  const before = nativeMemory().tensors;
  for (let n = 0; n < 3; n++) disposeAll(await run());
  t.equal(nativeMemory().tensors, before);
});

function near(t: Test, actual: Float32Array | undefined, expected: Float32Array, name = '') {
  const difference = Math.max(...expected.map((x, n) => Math.abs(x - (actual?.[n] ?? NaN))));
  t.ok(difference < 1e-5, `${name} ${difference}`);
}
