import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadTensors } from '../../src/index.js';
import { relativeError } from '../support/golden.js';
import { freePort, type Rank, startRank } from '../support/ranks.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

async function startPair(args: readonly string[]): Promise<[Rank, Rank]> {
  const port = await freePort();
  return [0, 1].map((rank) => startRank('train-rank.ts', args, { rank, worldSize: 2, port })) as [
    Rank,
    Rank,
  ];
}

async function finish(t: Test, ranks: readonly Rank[]): Promise<void> {
  for (const rank of ranks) {
    const { code, lines } = await rank.exit;
    t.equal(code, 0, lines.join('; '));
  }
}

/** The largest relative difference between two states' tensors. */
async function difference(t: Test, a: string, b: string): Promise<number> {
  const [first, second] = [await loadTensors(a), await loadTensors(b)];
  t.same(Object.keys(second.tensors), Object.keys(first.tensors));
  let largest = 0;
  for (const [name, value] of Object.entries(first.tensors)) {
    const other = second.tensors[name];
    // Gradients that nothing reaches leave zeros, which have no relative error.
    const equal =
      other && Buffer.from(other.data().buffer).equals(Buffer.from(value.data().buffer));
    if (other && !equal) largest = Math.max(largest, await relativeError(other, value));
  }
  return largest;
}

for (const kind of ['autoencoder', 'denoiser']) {
  t.test(`two processes train as one does; their checkpoint goes on in one: ${kind}`, async (t) => {
    const root = t.testdir({ pair: {}, alone: {}, half: {}, resumed: {} });
    const [pair, alone, half, resumed] = ['pair', 'alone', 'half', 'resumed'].map((name) =>
      join(root, name),
    ) as [string, string, string, string];
    const folder = await tinyPipelineFolder();
    await finish(t, await startPair([kind, folder, pair, '0', '4']));
    await finish(t, [startRank('train-rank.ts', [kind, folder, alone, '0', '4'])]);
    await finish(t, await startPair([kind, folder, half, '0', '2']));
    const state = (name: string) => join(name, 'state.safetensors');
    await finish(t, [startRank('train-rank.ts', [kind, folder, resumed, '2', '4', state(half)])]);
    // Four steps of AdamW, discriminator and average included. Halving is exact, and two gradients have one
    // sum: what is left is 0 where the kernels of both runs are the same.
    for (const other of [alone, resumed]) {
      const error = await difference(t, state(pair), state(other));
      t.comment(`relative difference ${error}`);
      t.ok(error <= 1e-6, String(error));
    }
  });
}

t.test('a process that is killed while training ends the other, which names it', async (t) => {
  const ranks = await startPair([
    'autoencoder',
    await tinyPipelineFolder(),
    t.testdir(),
    '0',
    '100000',
  ]);
  const [first, second] = ranks;
  await Promise.all(ranks.map((rank) => rank.line('step 2')));
  second.process.kill('SIGKILL');
  const killed = Date.now();
  const { code, lines } = await first.exit;
  t.equal(code, 1);
  t.match(lines.at(-1), /^ERR_PROCESS_GROUP rank 0 of 2 cannot go on: rank 1 \(process \d+ on /);
  t.match(lines.at(-1), String(second.process.pid));
  t.comment(`${Date.now() - killed} ms`);
  t.ok(Date.now() - killed < 30_000);
});
