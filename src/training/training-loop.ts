import { join } from 'node:path';
import type { Pipeline } from '../pipeline/pipeline.js';
import { type Checkpoint, Checkpoints } from './checkpoints.js';
import type { Engine, EngineUpdate, RunContext } from './engine.js';
import { learningRateAt } from './learning-rate.js';
import { MetricsLog } from './metrics-log.js';
import { TensorBoardLog } from './tensorboard.js';
import type { TrainCallbacks, TrainStep } from './train-events.js';
import { writeValidationImages } from './validation.js';

/** @internal What one process of several is told of a step. */
interface Finished extends EngineUpdate {
  readonly loss: number;
  readonly learningRate: number;
}

/** @internal Step by step from a checkpoint to the end. */
export class TrainingLoop {
  readonly #engine: Engine;
  readonly #pipeline: Pipeline | undefined;
  readonly #run: RunContext;
  readonly #callbacks: TrainCallbacks;
  readonly #fingerprint: string;
  readonly #checkpoints: Checkpoints;
  /** Rank 0 writes. */
  readonly #writes: boolean;
  #logs: { readonly metrics: MetricsLog; readonly board: TensorBoardLog } | undefined;
  /** Steps that are done. */
  #step = 0;
  #startStep = 0;
  /** Of the last step. */
  #loss = Number.NaN;
  #saved = -1;
  #secondsBefore = 0;
  #startedAt = 0;

  constructor(
    engine: Engine,
    pipeline: Pipeline | undefined,
    run: RunContext,
    callbacks: TrainCallbacks,
    fingerprint: string,
  ) {
    this.#engine = engine;
    this.#pipeline = pipeline;
    this.#run = run;
    this.#callbacks = callbacks;
    this.#fingerprint = fingerprint;
    this.#checkpoints = new Checkpoints(run.folder);
    this.#writes = !run.group || run.group.rank === 0;
  }

  /** @returns The last step's loss. */
  async run(checkpoint: Checkpoint | undefined): Promise<number> {
    this.#step = checkpoint?.step ?? 0;
    this.#startStep = this.#step;
    this.#saved = this.#step;
    this.#loss = checkpoint?.loss ?? Number.NaN;
    this.#secondsBefore = checkpoint?.seconds ?? 0;
    this.#startedAt = performance.now();
    await this.#openLogs();
    try {
      return await this.#toTheEnd();
    } finally {
      await this.#logs?.metrics.close();
      await this.#logs?.board.close();
    }
  }

  async #toTheEnd(): Promise<number> {
    const { maxTrainSteps, checkpointingSteps } = this.#run.options;
    this.#engine.start(this.#step);
    while (this.#step < maxTrainSteps) {
      const finished = await this.#nextStep();
      if (!finished) return this.#stop();
      this.#step += 1;
      this.#loss = finished.loss;
      await this.#report(finished);
      if (this.#step % checkpointingSteps === 0) await this.#checkpoint();
      await this.#validate();
    }
    await this.#checkpoint();
    return this.#loss;
  }

  /** Undefined where the run is to stop. */
  async #nextStep(): Promise<Finished | undefined> {
    const { options, group, signal } = this.#run;
    const { gradientAccumulationSteps: microSteps } = options;
    // A step that several processes share is begun and ended by all of them.
    const stepSignal = group ? undefined : signal;
    if (await this.#shallStop()) return undefined;
    let loss = 0;
    try {
      for (let micro = 0; micro < microSteps; micro++) {
        loss += (await this.#engine.accumulate(this.#step, stepSignal)).loss / microSteps;
      }
    } catch (error) {
      if (!group && signal?.aborted) return undefined;
      throw error;
    }
    const learningRate = learningRateAt(this.#step, options);
    const update = await this.#engine.update(learningRate);
    return { ...update, learningRate, loss: await this.#meanLoss(loss) };
  }

  async #shallStop(): Promise<boolean> {
    const { group, signal } = this.#run;
    if (!group) return signal?.aborted === true;
    const [stopping = 0] = await group.sum([signal?.aborted ? 1 : 0]);
    return stopping > 0;
  }

  async #meanLoss(loss: number): Promise<number> {
    const { group } = this.#run;
    if (!group) return loss;
    const [sum = loss] = await group.sum([loss]);
    return sum / group.worldSize;
  }

  async #stop(): Promise<never> {
    await this.#checkpoint();
    this.#run.signal?.throwIfAborted();
    throw new DOMException('another process of the run was stopped', 'AbortError');
  }

  async #openLogs(): Promise<void> {
    if (!this.#writes) return;
    const { folder } = this.#run;
    this.#logs = {
      metrics: await MetricsLog.open(join(folder, 'metrics.jsonl'), this.#step),
      board: await TensorBoardLog.open(join(folder, 'tensorboard'), this.#step),
    };
  }

  async #report({ loss, learningRate, gradientNorm, skipped }: Finished): Promise<void> {
    const { maxTrainSteps: steps } = this.#run.options;
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const done = this.#step - this.#startStep;
    const event: TrainStep = {
      step: this.#step,
      steps,
      loss,
      learningRate,
      gradientNorm,
      skipped,
      imagesPerSecond: (done * this.#imagesPerStep) / seconds,
      secondsLeft: ((steps - this.#step) * seconds) / done,
      memory: process.memoryUsage.rss(),
    };
    // Only what follows from the run: the lines of a run that went on are those of one that never stopped.
    const facts = { loss, learningRate, gradientNorm, skipped };
    await this.#logs?.metrics.append({ step: this.#step, ...facts });
    await this.#logs?.board.scalars(this.#step, {
      loss,
      learning_rate: learningRate,
      gradient_norm: gradientNorm,
      images_per_second: event.imagesPerSecond,
    });
    this.#callbacks.onStep?.(event);
    this.#run.onProgress({ phase: 'training', done: this.#step, total: steps });
  }

  get #imagesPerStep(): number {
    const { options, group } = this.#run;
    return options.batchSize * options.gradientAccumulationSteps * (group?.worldSize ?? 1);
  }

  async #checkpoint(): Promise<void> {
    if (this.#saved === this.#step) return;
    const { options, group } = this.#run;
    if (this.#writes) {
      await this.#logs?.metrics.flush();
      this.#run.onProgress({ phase: 'checkpoint', done: this.#step, total: options.maxTrainSteps });
      const seconds = this.#secondsBefore + (performance.now() - this.#startedAt) / 1000;
      const facts = {
        step: this.#step,
        loss: this.#loss,
        seconds,
        fingerprint: this.#fingerprint,
      };
      await this.#checkpoints.write(facts, options.checkpointsTotalLimit, (path) =>
        this.#engine.saveState(path),
      );
    }
    this.#saved = this.#step;
    await group?.barrier();
  }

  /** With the averaged weights, where there are some. */
  async #validate(): Promise<void> {
    const { options, group } = this.#run;
    const { validation, ema } = options;
    if (!validation || !this.#pipeline || this.#step % validation.everySteps !== 0) return;
    if (this.#logs) {
      if (ema !== false) await this.#engine.useAverage(true);
      try {
        await writeValidationImages(this.#pipeline, this.#step, this.#run, this.#logs.board);
      } catch (error) {
        if (!this.#run.signal?.aborted) throw error; // the loop stops at its next step
      } finally {
        if (ema !== false) await this.#engine.useAverage(false);
      }
    }
    await group?.barrier();
  }
}
