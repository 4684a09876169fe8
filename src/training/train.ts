import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { invalidArgument, LatentrayError } from '../errors.js';
import { makeFolder } from '../models/save-model.js';
import { parseOptions } from '../parse-options.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { makeFolderAtomically, removePartial } from './atomic-files.js';
import { AutoencoderEngine } from './autoencoder-engine.js';
import { Checkpoints, readCheckpoint } from './checkpoints.js';
import { openClassImages } from './class-images.js';
import { openTrainingData } from './data/training-data.js';
import { DenoiserEngine } from './denoiser-engine.js';
import type { Engine, RunContext } from './engine.js';
import { openAutoencoderToTrain, openPipelineToTrain } from './open-models.js';
import { ProcessGroup, processGroupFromEnvironment } from './process-group.js';
import { resolveOptions } from './resolve-options.js';
import { fingerprintOf, readRunFile, requireSameRun, writeRunFile } from './run-file.js';
import { type RunLock, takeRunLock } from './run-lock.js';
import type { TrainResult } from './train-events.js';
import { identityOf, type TrainOptions, trainConfig, trainOptions } from './train-options.js';
import { TrainingLoop } from './training-loop.js';

/**
 * Fine-tunes a model: the whole of a part, low-rank additions, single tokens, or the autoencoder. The run's
 * folder holds run.json, metrics.jsonl, TensorBoard's event files, checkpoints, validation images and the
 * result. A run that goes on from a checkpoint (`resume: 'latest'`) gives the same bytes as one that never
 * stopped.
 *
 * @throws `ERR_INVALID_ARG`, `ERR_DATASET`; `ERR_NON_FINITE` with `step` and `ids`, where a loss is no number: the
 * last checkpoint stays; `ERR_WRITE`, `ERR_PROCESS_GROUP`; the signal's reason, after a checkpoint was written.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const given = parseOptions(trainOptions, options, 'train');
  const { signal, output } = given;
  const config = trainConfig.parse(
    Object.fromEntries(
      Object.keys(trainConfig.shape).map((name) => [name, given[name as keyof typeof given]]),
    ),
  );
  const own = options.processGroup ? undefined : await groupOfEnvironment(signal);
  const group = options.processGroup ?? own;
  try {
    const { resolution, resize, horizontalFlip, seed, dataloaderNumWorkers } = config;
    const data = await openTrainingData(options.dataset, {
      resolution,
      resize,
      horizontalFlip,
      seed,
      concurrency: dataloaderNumWorkers,
      signal,
    });
    const run: RunContext = {
      options: resolveOptions(config, data.length, group?.worldSize ?? 1),
      folder: output,
      device: ownDevice(options, group),
      group,
      signal,
      onProgress: options.onProgress ?? (() => {}),
      onWarning:
        options.onWarning ?? ((message) => process.stderr.write(`latentray: ${message}\n`)),
    };
    let lock: RunLock | undefined;
    try {
      lock = await prepareFolder(run);
      const { engine, pipeline } = await openEngine(options.pipeline, data, run);
      return await runEngine(engine, pipeline, run, options);
    } finally {
      data.close();
      await lock?.release();
    }
  } catch (error) {
    await group?.fail(error).catch(() => {});
    throw error;
  } finally {
    own?.dispose();
  }
}

async function groupOfEnvironment(
  signal: AbortSignal | undefined,
): Promise<ProcessGroup | undefined> {
  const place = processGroupFromEnvironment();
  if (!place || place.worldSize === 1) return undefined;
  return ProcessGroup.connect({ ...place, signal });
}

/** Each of the processes on a machine has a GPU of its own. */
function ownDevice({ pipeline, device }: TrainOptions, group: ProcessGroup | undefined) {
  if (device === undefined) return undefined;
  if (typeof pipeline !== 'string') {
    throw invalidArgument('device', 'none beside a loaded pipeline, which is on one', device);
  }
  return device === 'cuda' && group ? `cuda:${group.localRank}` : device;
}

/** A new run wants a folder of its own. @returns What holds it, at rank 0. */
async function prepareFolder(run: RunContext): Promise<RunLock | undefined> {
  const { folder, group } = run;
  if (group && group.rank !== 0) {
    await group.barrier();
    return undefined;
  }
  await makeFolder(folder);
  await access(folder, 2).catch((cause: unknown) => {
    throw new LatentrayError('ERR_WRITE', `${folder}: cannot be written to`, {
      cause,
      path: folder,
    });
  });
  const lock = await takeRunLock(folder);
  try {
    await clearFolder(run);
    await group?.barrier();
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function clearFolder({ folder, options }: RunContext): Promise<void> {
  const isRun = (await readdir(folder)).includes('run.json');
  if (isRun && options.resume === undefined) {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      `output: ${folder} holds a run already. Go on with it (resume: 'latest'), or choose another folder`,
    );
  }
  await removePartial(folder);
  await new Checkpoints(folder).clean();
}

/** What is driven, and what validation images are made with. */
async function openEngine(
  given: TrainOptions['pipeline'],
  data: Awaited<ReturnType<typeof openTrainingData>>,
  run: RunContext,
): Promise<{ readonly engine: Engine; readonly pipeline: Pipeline | undefined }> {
  if (run.options.method === 'autoencoder') {
    const autoencoder = await openAutoencoderToTrain(given, run);
    return { engine: await AutoencoderEngine.open(autoencoder, data, run), pipeline: undefined };
  }
  const pipeline = await openPipelineToTrain(given, run);
  const images = await openClassImages(pipeline, run);
  return { engine: await DenoiserEngine.open(pipeline, data, images, run), pipeline };
}

async function runEngine(
  engine: Engine,
  pipeline: Pipeline | undefined,
  run: RunContext,
  callbacks: TrainOptions,
): Promise<TrainResult> {
  const { folder, options, group } = run;
  const runFile = join(folder, 'run.json');
  const identity = {
    ...identityOf(options),
    samplesPerStep: samplesPerStep(run),
    ...engine.digests,
  };
  try {
    const before = await readRunFile(runFile);
    if (before && options.resume !== undefined) requireSameRun(before.identity, identity);
    const fingerprint = fingerprintOf(identity);
    const checkpoint = await checkpointToResume(run, fingerprint);
    if (checkpoint) await engine.loadState(checkpoint.stateFile);
    const facts = {
      identity,
      options: { ...options },
      startedAt: before?.startedAt ?? new Date().toISOString(),
    };
    const writes = !group || group.rank === 0;
    if (writes) await writeRunFile(runFile, facts);
    const loop = new TrainingLoop(engine, pipeline, run, callbacks, fingerprint);
    const loss = await loop.run(checkpoint);
    const result = join(folder, 'result');
    if (writes) {
      if (options.ema !== false) await engine.useAverage(true);
      await makeFolderAtomically(result, (empty) => engine.saveResult(empty));
      await writeRunFile(runFile, { ...facts, finishedAt: new Date().toISOString() });
    }
    await group?.barrier();
    return { output: folder, result, steps: options.maxTrainSteps, loss };
  } finally {
    engine.close();
  }
}

function samplesPerStep({ options, group }: RunContext): number {
  return options.batchSize * options.gradientAccumulationSteps * (group?.worldSize ?? 1);
}

async function checkpointToResume({ folder, options }: RunContext, fingerprint: string) {
  if (options.resume === undefined) return undefined;
  const checkpoint =
    options.resume === 'latest'
      ? await new Checkpoints(folder).latest()
      : await readCheckpoint(options.resume);
  if (checkpoint && checkpoint.fingerprint !== fingerprint) {
    throw new LatentrayError(
      'ERR_INVALID_ARG',
      `resume: ${checkpoint.folder} is of a run with other options or other data`,
    );
  }
  return checkpoint;
}
