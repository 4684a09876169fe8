import t from 'tap';
import { resolvePlan } from '../../src/augment/label-plan.js';
import { NearestReal } from '../../src/augment/nearest-real.js';
import { isBlank, pixelVector, similarityOf } from '../../src/augment/pixel-vector.js';
import { promptsOf } from '../../src/augment/prompts.js';
import type { RealRecord } from '../../src/augment/real-images.js';
import { shardFromEnvironment } from '../../src/augment/shard.js';
import { blocksOf, seedOf } from '../../src/augment/slots.js';
import { Image } from '../../src/index.js';
import { fieldImage } from '../support/augment-data.js';

function record(n: number, more: Partial<RealRecord> = {}): RealRecord {
  const labels = { Edema: 1 } as const;
  return {
    id: `id-${n}`,
    patient: `p-${n}`,
    image: `${n}.png`,
    text: `text ${n}`,
    labels,
    ...more,
  };
}

t.test('plans', async (t) => {
  const records = [
    record(0),
    record(1),
    record(2, { labels: { Mass: 1, Edema: 1 } }),
    record(3, { labels: { Mass: 0, Hernia: -1 } }),
  ];
  const plan = (given: Parameters<typeof resolvePlan>[0]) => [...resolvePlan(given, records)];
  t.same(plan({ plan: 'balance' }), [['Mass', 2]]);
  t.same(plan({ plan: 'balance', labels: ['Hernia', 'Mass', 'Edema'] }), [
    ['Hernia', 3],
    ['Mass', 2],
  ]);
  t.same(plan({ plan: 2 }), [
    ['Edema', 2],
    ['Mass', 2],
  ]);
  t.same(plan({ plan: { b: 1, a: 0, A: 2 } }), [
    ['A', 2],
    ['b', 1],
  ]);
});

t.test('templates take turns, and so do the records that fill them', async (t) => {
  const records = [
    record(0, { sex: 'F', age: 40, view: 'PA' }),
    record(1, { sex: 'M', age: 50, view: 'AP' }),
    record(2, { sex: 'M', view: 'other' }),
  ];
  const prompts = promptsOf(
    { prompts: ['{label}', '{label}, {view}, {age}, {sex}'], seed: 1 },
    records,
  );
  const texts = [0, 1, 2, 3, 4, 5].map((n) => prompts('Edema', n).text);
  t.same([texts[0], texts[2], texts[4]], ['edema', 'edema', 'edema']);
  t.same([texts[1], texts[3]].sort(), ['edema, AP, 50, male', 'edema, PA, 40, female']);
  t.equal(texts[5], texts[1]);
  const plain = promptsOf({ seed: 1 }, []);
  t.equal(plain('No Finding', 0).text, 'Chest X-ray without findings.');
  t.equal(plain('Lung_Opacity', 0).text, 'Chest X-ray with lung opacity.');
  t.throws(
    () => promptsOf({ prompts: 'reports', seed: 1 }, [record(0, { text: ' ' })])('Edema', 0),
    {
      code: 'ERR_INVALID_ARG',
      message: /'Edema' and reports, found none/,
    },
  );
  t.throws(() => promptsOf({ prompts: { Mass: ['x'] }, seed: 1 }, [])('toString', 0), {
    code: 'ERR_INVALID_ARG',
  });
});

t.test('blocks and seeds follow from the plan', async (t) => {
  const prompts = promptsOf({ seed: 0 }, []);
  const plan = new Map([
    ['A/b', 5],
    ['A b', 2],
    ['ä', 1],
  ]);
  const of = { plan, prompts, areReports: false, names: ['A/b'], blockSize: 4 };
  const blocks = blocksOf(of);
  t.same(
    blocks.map((block) => block.length),
    [4, 2, 1, 1],
  );
  const files = blocks.flat().map(({ file }) => file);
  t.equal(new Set(files).size, 8);
  t.same(files.slice(0, 1), ['a-b/000000.png']);
  t.ok(files.includes('a-b-2/000001.png') && files.includes('label/000000.png'));
  const seeds = blocks.flat().flatMap((slot) => [0, 1].map((attempt) => seedOf(7, slot, attempt)));
  t.equal(new Set(seeds).size, 16);
  t.ok(seeds.every(Number.isSafeInteger));
  t.same(
    seeds,
    blocksOf(of)
      .flat()
      .flatMap((slot) => [0, 1].map((n) => seedOf(7, slot, n))),
  );
});

t.test('the vector of an image knows neither brightness nor contrast', async (t) => {
  const image = fieldImage('Edema', 0, 32);
  const paler = Image.fromPixels(
    image.pixels.map((value) => value / 2 + 0.3),
    { width: 32, height: 32, channels: 1 },
  );
  const [a, b, other] = [image, paler, fieldImage('Mass', 3, 32)].map(pixelVector) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  t.ok(similarityOf(a, b) > 0.999);
  t.ok(similarityOf(a, other) < 0.9);
  t.ok(Math.abs(similarityOf(a, a) - 1) < 1e-5);
  const grey = new Image({ width: 2, height: 2, channels: 3, data: new Uint8Array(12).fill(90) });
  t.ok(isBlank(pixelVector(grey)));
  t.notOk(isBlank(a));
});

t.test('how near real images of different patients are to each other is the limit', async (t) => {
  const unit = (degrees: number) =>
    Float32Array.of(Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180));
  const angles = [0, 10, 40, 90, 91];
  const owners = angles.map((_, n) => record(n));
  const vectors = angles.map(unit);
  const real = new NearestReal(owners, vectors);
  t.match(await real.nearest([unit(44), unit(5.1)]), [{ id: 'id-2' }, { id: 'id-1' }]);
  const [found] = await real.nearest([unit(44)]);
  t.ok(Math.abs((found?.similarity ?? 0) - Math.cos((4 * Math.PI) / 180)) < 1e-6);
  const degrees = async (share: number) =>
    Math.round((Math.acos(await real.limit(share)) * 180) / Math.PI);
  // To their nearest: 10°, 10°, 30°, 1°, 1°.
  t.equal(await degrees(0), 1);
  t.equal(await degrees(0.5), 10);
  t.equal(await degrees(1), 30);
  real.dispose();

  const onePatient = owners.map((owner, n) => ({ ...owner, patient: n < 3 ? 'a' : 'b' }));
  using two = new NearestRealUsing(onePatient, vectors);
  t.equal(
    Math.round((Math.acos(await two.real.limit(0)) * 180) / Math.PI),
    50,
    'of other patients',
  );
  using alone = new NearestRealUsing(
    owners.map((owner) => ({ ...owner, patient: 'a' })),
    vectors,
  );
  t.equal(await alone.real.limit(0.01), 0.999, 'one patient: copies alone');
});

class NearestRealUsing {
  readonly real: NearestReal;
  constructor(...args: ConstructorParameters<typeof NearestReal>) {
    this.real = new NearestReal(...args);
  }
  [Symbol.dispose](): void {
    this.real.dispose();
  }
}

t.test('RANK and WORLD_SIZE', async (t) => {
  t.same(shardFromEnvironment({}), { rank: 0, worldSize: 1 });
  t.same(shardFromEnvironment({ RANK: '', WORLD_SIZE: '' }), { rank: 0, worldSize: 1 });
  t.same(shardFromEnvironment({ RANK: '2', WORLD_SIZE: '3' }), { rank: 2, worldSize: 3 });
  for (const [wrong, name] of [
    [{ RANK: '3', WORLD_SIZE: '3' }, 'RANK'],
    [{ RANK: '0' }, 'WORLD_SIZE'],
    [{ WORLD_SIZE: '2' }, 'RANK'],
    [{ RANK: '-1', WORLD_SIZE: '2' }, 'RANK'],
    [{ RANK: '0', WORLD_SIZE: 'two' }, 'WORLD_SIZE'],
  ] as const) {
    t.throws(() => shardFromEnvironment(wrong), { code: 'ERR_INVALID_ARG', argument: name });
  }
});
