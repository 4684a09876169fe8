import fc from 'fast-check';
import t from 'tap';
import { epochOrder, SampleOrder, stepSamples } from '../../../src/index.js';
import { philox } from '../../../src/training/data/philox.js';

t.test('the generator has the published answers', async (t) => {
  // Random123's known answers of philox4x32 with 10 rounds.
  t.same(philox(0n, [0, 0, 0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  const ones = 0xffffffff;
  t.same(
    philox(2n ** 64n - 1n, [ones, ones, ones, ones]),
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  );
  t.same(
    philox(0x299f31d0a4093822n, [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]),
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  );
});

t.test('an epoch has every sample once', async () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.nat(1000), fc.nat(500), (seed, epoch, length) => {
      const order = epochOrder(seed, epoch, length);
      return [...order].sort((a, b) => a - b).every((value, i) => value === i);
    }),
  );
});

t.test('an order follows from its seed and epoch, today and later', async (t) => {
  t.same(epochOrder(7, 3, 50), epochOrder(7n, 3, 50));
  t.notSame(epochOrder(7, 3, 50), epochOrder(7, 4, 50));
  t.notSame(epochOrder(7, 3, 50), epochOrder(8, 3, 50));
  t.notSame(epochOrder(7, 3, 50), epochOrder(7n + 2n ** 32n, 3, 50), 'all 64 bits count');
  // A change here would make resumed runs see other samples than they began with.
  t.same([...epochOrder(0, 0, 10)], [7, 3, 2, 8, 0, 6, 1, 4, 9, 5]);
});

t.test('every place is as likely for a sample as any other', async (t) => {
  const length = 5;
  const rounds = 4000;
  const counts = Array.from({ length }, () => new Array<number>(length).fill(0));
  for (let epoch = 0; epoch < rounds; ++epoch) {
    for (const [place, sample] of epochOrder(1, epoch, length).entries()) {
      const row = counts[sample] as number[];
      row[place] = (row[place] as number) + 1;
    }
  }
  const expected = rounds / length;
  const chiSquare = counts.flat().reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  t.ok(chiSquare < 39, `chi² ${chiSquare} with 16 degrees of freedom: 39 is one in a thousand`);
});

t.test('numbers count through epochs', async (t) => {
  const order = new SampleOrder(9, 4);
  const numbers = [5, 0, 11, 4, 7, 6, 3, 8]; // back and forth, as at the border of an epoch
  t.same(
    numbers.map((n) => order.indexOf(n)),
    numbers.map((n) => epochOrder(9, Math.floor(n / 4), 4)[n % 4]),
  );
});

t.test('processes together compute what one does', async () => {
  const size = fc.integer({ min: 1, max: 5 });
  fc.assert(
    fc.property(fc.nat(100), size, size, size, (step, batchSize, microSteps, worldSize) => {
      const ranks = Array.from({ length: worldSize }, (_, rank) =>
        stepSamples({ step, batchSize, microSteps, rank, worldSize }),
      );
      const all = ranks.flat(2).sort((a, b) => a - b);
      const total = batchSize * microSteps * worldSize;
      return all.length === total && all.every((n, i) => n === step * total + i);
    }),
  );
});

t.test('misuse', async (t) => {
  const invalid = { code: 'ERR_INVALID_ARG' };
  for (const seed of [-1, 0.5, Number.NaN, 2n ** 64n])
    t.throws(() => epochOrder(seed, 0, 3), invalid);
  for (const value of [-1, 0.5, Number.NaN, 2 ** 32]) {
    t.throws(() => epochOrder(0, value, 3), invalid);
    t.throws(() => epochOrder(0, 0, value), invalid);
  }
  t.throws(() => new SampleOrder(0, 0), invalid);
  t.throws(() => new SampleOrder(0, 3).indexOf(-1), invalid);
  t.throws(() => stepSamples({ step: 0, batchSize: 0 }), invalid);
  t.throws(() => stepSamples({ step: 0, batchSize: 1, rank: 1 }), invalid);
  t.throws(() => stepSamples({ step: 0, batchSize: 1, worldsize: 1 } as never), invalid);
});
