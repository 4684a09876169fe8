import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import {
  type LearningRateSchedule,
  learningRateAt,
  learningRateSchedules,
} from '../../src/training/learning-rate.js';
import { committed } from '../support/recipe.js';

interface Reference {
  readonly base_lr: number;
  readonly warmup_steps: number;
  readonly training_steps: number;
  readonly num_cycles: Partial<Record<LearningRateSchedule, number>>;
  readonly values: Record<LearningRateSchedule, number[]>;
}

const reference: Reference = JSON.parse(
  await readFile(join(committed, 'lr_schedules.json'), 'utf8'),
);

const optionsOf = (lrScheduler: LearningRateSchedule) => ({
  learningRate: reference.base_lr,
  lrScheduler,
  lrWarmupSteps: reference.warmup_steps,
  lrNumCycles: reference.num_cycles[lrScheduler] ?? 1,
  lrPower: 1,
  maxTrainSteps: reference.training_steps,
});

t.test('every schedule is in the reference', async (t) => {
  t.same(Object.keys(reference.values).sort(), [...learningRateSchedules].sort());
});

for (const name of learningRateSchedules) {
  t.test(`${name} has diffusers' rate at every step`, async (t) => {
    const expected = reference.values[name];
    t.equal(expected.length, reference.training_steps);
    for (const [step, rate] of expected.entries()) {
      const found = learningRateAt(step, optionsOf(name));
      // V8 and the C library, which Python asks, round some cosines differently in the last place.
      if (name.startsWith('cosine'))
        t.ok(Math.abs(found - rate) <= 2 ** -51 * rate, `step ${step}`);
      else t.equal(found, rate, `step ${step}`);
    }
  });
}

t.test('a schedule that is over stays at its end', async (t) => {
  const after = (name: LearningRateSchedule) =>
    learningRateAt(2 * reference.training_steps, optionsOf(name));
  t.equal(after('linear'), 0);
  t.equal(after('cosine_with_restarts'), 0);
  t.equal(after('polynomial'), 1e-7);
  t.equal(after('constant'), reference.base_lr);
});
