import { join } from 'node:path';
import t from 'tap';
import {
  type ClassifierTraining,
  evaluateAugmentation,
  type Image,
  type LabelledImage,
  type NetworkTrainerOptions,
  networkTrainer,
} from '../../src/index.js';
import { writeRealFolder } from '../support/augment-data.js';
import { massPicture } from '../support/mass-picture.js';

const network = { image_size: 16, embedding_size: 8, hidden_sizes: [8, 16], depths: [1, 1] };
const small = { network, steps: 30, batchSize: 8, learningRate: 0.01 };

function images(from: number, count: number): LabelledImage[] {
  return Array.from({ length: count }, (_, n) => {
    const mass = n % 2 === 0;
    const labels = { Mass: mass ? 1 : 0 } as const;
    return { id: `${from + n}`, image: massPicture(from + n, mass), labels, synthetic: false };
  });
}

function training(more: Partial<ClassifierTraining> = {}): ClassifierTraining {
  return {
    ...{ samples: images(0, 24), labels: ['Mass'], seed: 1, share: 1 },
    ...{ from: undefined, folder: '', ...more },
  };
}

const test = images(500, 20);

/** Masses less all others: how far apart the network sees them. */
async function contrast(options: NetworkTrainerOptions, request = training()): Promise<number> {
  const trained = await networkTrainer(options).train(request);
  const scores = await trained.predict(test, {});
  trained.dispose?.();
  t.equal(scores.length, test.length);
  return scores.reduce((sum, row, n) => sum + (row[0] as number) * (n % 2 === 0 ? 1 : -1), 0);
}

t.test('the network learns what there is to see, the same from the same seed', async (t) => {
  const found = await contrast(small);
  t.ok(found > 5, `${found} of 10`);
  t.equal(await contrast(small), found);
  t.not(await contrast(small, training({ seed: 2 })), found);
});

t.test('going on is going on with the same network, for its share of the steps', async (t) => {
  const trainer = networkTrainer({ ...small, steps: 40 });
  const turned = images(0, 24).map((each) => ({
    ...each,
    labels: { Mass: each.labels.Mass ? 0 : 1 } as const,
  }));
  const first = await trainer.train(training({ share: 0.5, samples: turned }));
  const before = await first.predict(test, {});
  const second = await trainer.train(training({ share: 0.5, from: first }));
  t.equal(second, first);
  t.notSame(await second.predict(test, {}), before);
  second.dispose?.();
  await t.rejects(async () => second.predict(test, {}), { code: 'ERR_DISPOSED' });
});

t.test('an evaluation without a trainer takes it', async (t) => {
  const folder = t.testdir();
  const rows = (from: number, count: number, split: string) =>
    images(from, count).map(({ image, labels, id }) => ({
      ...{ image: image as Image, labels: labels as Record<string, number> },
      ...{ split, patient_id: id },
    }));
  const dataset = await writeRealFolder(join(folder, 'real'), [
    ...rows(0, 12, 'train'),
    ...rows(500, 40, 'test'),
  ]);
  const synthetic = await writeRealFolder(join(folder, 'made'), rows(900, 8, 'train'));
  const given = { dataset, synthetic, seeds: 1, draws: 50, trainer: networkTrainer(small) };
  const { rows: found, configuration } = await evaluateAugmentation({
    ...given,
    out: join(folder, 'evaluation'),
  });
  t.equal(found.length, 5);
  t.ok(found.every(({ auroc }) => auroc.value > 0.8));
  t.equal(configuration.trainer, given.trainer.digest);
});

t.test('another way of training has another digest', async (t) => {
  const { digest } = networkTrainer(small);
  t.equal(networkTrainer({ ...small, dataloaderNumWorkers: 1 }).digest, digest);
  t.not(networkTrainer({ ...small, steps: 31 }).digest, digest);
  t.not(networkTrainer({ ...small, network: { ...network, depths: [1, 2] } }).digest, digest);
});

t.test('misuse', async (t) => {
  const wrong = [
    { steps: 0 },
    { steps: Number.NaN },
    { learningRate: -1 },
    { epochs: 3 },
    { network: 3 },
  ];
  for (const options of wrong) {
    t.throws(() => networkTrainer(options as NetworkTrainerOptions), { code: 'ERR_INVALID_ARG' });
  }
  const trainer = networkTrainer(small);
  await t.rejects(trainer.train(training({ samples: [] })), { code: /^ERR_/ });
  const unknown = images(0, 8).map((each) => ({ ...each, labels: { Mass: -1 } as const }));
  await t.rejects(trainer.train(training({ samples: unknown })), { code: 'ERR_INVALID_ARG' });
  const signal = AbortSignal.abort(new Error('enough'));
  await t.rejects(trainer.train(training({ signal })), { message: 'enough' });
});
