import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Image, loadTensors, type TrainConfig } from '../../src/index.js';
import { program } from './command-line.js';
import { eightRadiographs } from './radiographs.js';
import { tinyPipelineFolder } from './tiny-pipeline.js';

/** What `latentray train` is told in a file. */
export type RunConfig = TrainConfig & {
  readonly pipeline: string;
  readonly dataset: string;
  readonly output: string;
};

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TrainingProcess {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
}

export interface StartOptions {
  readonly env?: Record<string, string>;
  /** The largest file that it may write, in KiB: beyond that the disk seems full. */
  readonly fileLimit?: number;
}

/** Starts `latentray train` with a config file beside the run's folder. */
export async function startTraining(
  config: RunConfig,
  { env = {}, fileLimit }: StartOptions = {},
): Promise<TrainingProcess> {
  const file = `${config.output}.json`;
  await writeFile(file, JSON.stringify(config));
  const limit = fileLimit === undefined ? '' : `trap '' XFSZ; ulimit -f ${fileLimit};`;
  // What tap puts into NODE_OPTIONS takes a second to load, and listens for the signal of a file that is too large,
  // which then ends the process instead of failing its write.
  const script = `unset NODE_OPTIONS; ${limit} exec "$@"`;
  const command = [process.execPath, program, 'train', '--config', file];
  const child = spawn('bash', ['-c', script, 'bash', ...command], {
    env: { LATENTRAY_THREADS: '1', ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<Pick<Ended, 'code' | 'signal'>>((resolve) =>
      child.once('close', (code, signal) => resolve({ code, signal })),
    ),
  ]).then(([stdout, stderr, exit]) => ({ stdout, stderr, ...exit }));
  return { process: child, ended };
}

/** Runs `latentray train` to its end. */
export async function runTraining(config: RunConfig, options?: StartOptions): Promise<Ended> {
  return (await startTraining(config, options)).ended;
}

/** Waits until the run's folder shows that `step` steps are done; rejects when the process ends before. */
export async function reachesStep(
  { process: child, ended }: TrainingProcess,
  folder: string,
  step: number,
): Promise<void> {
  while (((await readMetrics(folder)).at(-1)?.step ?? 0) < step) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`ended before step ${step}: ${(await ended).stderr}`);
    }
    await sleep(5);
  }
}

/** The data that the tests train on, as a folder with metadata.jsonl. */
export async function radiographFolder(folder: string): Promise<string> {
  await mkdir(folder);
  const lines: string[] = [];
  for (const [n, { image, text }] of (await eightRadiographs()).entries()) {
    const file = `${n}.png`;
    const read = image instanceof Image ? image : await Image.read(image as string);
    await read.save(join(folder, file));
    lines.push(JSON.stringify({ file_name: file, text }));
  }
  await writeFile(join(folder, 'metadata.jsonl'), `${lines.join('\n')}\n`);
  return folder;
}

/** The result of a run with the method `lora`. */
export const loraFile = 'pytorch_lora_weights.safetensors';

/** Makes configs of short LoRA runs on the radiographs, each with a folder of its own in `folder`. */
export async function loraRuns(
  folder: string,
  common: Partial<RunConfig> = {},
): Promise<(name: string, options?: Partial<RunConfig>) => RunConfig> {
  const pipeline = await tinyPipelineFolder();
  const dataset = await radiographFolder(join(folder, 'data'));
  return (name, options) => ({
    pipeline,
    dataset,
    output: join(folder, name),
    method: 'lora',
    lora: { rank: 2 },
    resolution: 64,
    batchSize: 1,
    learningRate: 1e-3,
    seed: 5,
    ...common,
    ...options,
  });
}

/** The whole lines of metrics.jsonl. */
export async function readMetrics(folder: string): Promise<{ step: number; loss: number }[]> {
  const all = await readFile(join(folder, 'metrics.jsonl'), 'utf8').catch(() => '');
  return all
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

export async function checkpointNames(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, 'checkpoints')).catch(() => []);
  return names.filter((name) => /^step-\d+$/.test(name)).sort();
}

/** Reads everything of a run's folder that a person, or the run that goes on, would read; throws where it cannot. */
export async function readRunFolder(folder: string): Promise<{ steps: number[] }> {
  const names = await readdir(folder);
  if (names.includes('run.json')) JSON.parse(await readFile(join(folder, 'run.json'), 'utf8'));
  await readMetrics(folder);
  const steps: number[] = [];
  for (const name of await checkpointNames(folder)) {
    const checkpoint = join(folder, 'checkpoints', name);
    const { step } = JSON.parse(await readFile(join(checkpoint, 'state.json'), 'utf8'));
    await loadTensors(join(checkpoint, 'state.safetensors'));
    steps.push(step);
  }
  return { steps };
}

/** What two runs of the same options have alike, byte for byte. */
export async function outcome(folder: string, file: string) {
  return {
    metrics: await readFile(join(folder, 'metrics.jsonl'), 'utf8'),
    result: (await readFile(join(folder, 'result', file))).toString('base64'),
    state: (
      await readFile(
        join(
          folder,
          'checkpoints',
          (await checkpointNames(folder)).at(-1) ?? '',
          'state.safetensors',
        ),
      )
    ).toString('base64'),
  };
}
