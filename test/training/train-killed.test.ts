import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import {
  checkpointNames,
  loraFile,
  loraRuns,
  outcome,
  type RunConfig,
  reachesStep,
  readMetrics,
  readRunFolder,
  runTraining,
  startTraining,
} from '../support/training-run.js';

const config = await loraRuns(t.testdir());

t.test('ten steps are five, a kill, and five: the same bytes, no line twice', async (t) => {
  const options = {
    maxTrainSteps: 10,
    checkpointingSteps: 5,
    gradientAccumulationSteps: 2,
    ema: { decay: 0.9 },
    snrGamma: 5,
    noiseOffset: 0.1,
    captionDropout: 0.5,
    lrScheduler: 'cosine',
    resize: 'random-crop',
    horizontalFlip: true,
  } as const;
  const whole = config('whole', options);
  const killed = config('killed', options);
  t.match(await runTraining(whole), { code: 0 });

  const first = await startTraining(killed);
  await reachesStep(first, killed.output, 7);
  first.process.kill('SIGKILL');
  t.match(await first.ended, { signal: 'SIGKILL' });
  t.same((await checkpointNames(killed.output)).slice(0, 1), ['step-00000005']);
  const second = await runTraining({ ...killed, resume: 'latest' });
  t.match(second, { code: 0, stdout: `${join(killed.output, 'result')}\n` });

  t.same(
    (await readMetrics(killed.output)).map(({ step }) => step),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  const [expected, found] = [whole, killed].map(({ output }) => outcome(output, loraFile));
  t.same(await found, await expected);
});

/** A run that is killed again and again, each time a moment after it has made a step, or while it starts. */
async function killOften(run: RunConfig, times: number, random: () => number): Promise<number> {
  let kills = 0;
  for (let round = 0; round < times; round++) {
    const before = (await readMetrics(run.output)).at(-1)?.step ?? 0;
    const process = await startTraining({ ...run, resume: 'latest' });
    if (round % 5 === 4) await sleep(1000 * random());
    else await reachesStep(process, run.output, before + 1);
    await sleep(100 * random());
    process.process.kill('SIGKILL');
    const { signal, stderr } = await process.ended;
    if (signal !== 'SIGKILL') throw new Error(`ended by itself: ${stderr}`);
    await readRunFolder(run.output);
    kills += 1;
  }
  return kills;
}

/** A linear congruential generator: the same moments in every run of the test. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

t.test('fifty kills at random moments leave folders that are read and gone on with', async (t) => {
  const endless = { maxTrainSteps: 100_000, checkpointingSteps: 1, checkpointsTotalLimit: 2 };
  const lanes = ['lane-0', 'lane-1'].map((name) => config(name, endless));
  const kills = await Promise.all(lanes.map((run, n) => killOften(run, 25, randomFrom(n))));
  t.same(kills, [25, 25]);

  for (const lane of lanes) {
    const { steps } = await readRunFolder(lane.output);
    t.ok(steps.length >= 1 && steps.length <= 3, `checkpoints ${steps}`);
    const maxTrainSteps = (steps.at(-1) as number) + 2;
    t.comment(`${maxTrainSteps} steps`);
    t.match(await runTraining({ ...lane, maxTrainSteps, resume: 'latest' }), { code: 0 });
    t.equal((await checkpointNames(lane.output)).length, 2);
    const whole = { ...lane, output: `${lane.output}-whole`, maxTrainSteps };
    t.match(await runTraining({ ...whole, checkpointingSteps: maxTrainSteps }), { code: 0 });
    t.same(await outcome(lane.output, loraFile), await outcome(whole.output, loraFile));
  }
});
