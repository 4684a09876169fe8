import type { Engine, EngineUpdate, MicroBatchLoss, RunContext } from './engine.js';
import type { StepPosition, Trainer } from './trainer.js';

/** @internal What an engine is, whatever it trains. */
export interface EngineParts<OneTrainer> {
  readonly run: RunContext;
  readonly trainer: OneTrainer;
  readonly digests: Engine['digests'];
  readonly length: number;
}

/** @internal An engine over a trainer: where the batches come from is its subclasses' affair. */
export abstract class TrainerEngine<OneTrainer extends Trainer<EngineUpdate>> implements Engine {
  readonly digests: Engine['digests'];
  readonly length: number;
  protected readonly run: RunContext;
  protected readonly trainer: OneTrainer;

  protected constructor(parts: EngineParts<OneTrainer>) {
    this.run = parts.run;
    this.trainer = parts.trainer;
    this.digests = parts.digests;
    this.length = parts.length;
  }

  abstract start(step: number): void;
  abstract accumulate(step: number, signal: AbortSignal | undefined): Promise<MicroBatchLoss>;
  abstract saveResult(folder: string): Promise<void>;

  /** No more batches are asked for. */
  protected abstract stop(): void;

  protected position(step: number, signal: AbortSignal | undefined): StepPosition {
    const microSteps = this.run.options.gradientAccumulationSteps;
    return { step, microSteps, ...(signal && { signal }) };
  }

  update(learningRate: number): Promise<EngineUpdate> {
    return this.trainer.update(learningRate);
  }

  useAverage(average: boolean): Promise<void> {
    return this.trainer.useAverage(average);
  }

  saveState(path: string): Promise<void> {
    return this.trainer.saveState(path);
  }

  loadState(path: string): Promise<void> {
    return this.trainer.loadState(path);
  }

  close(): void {
    this.stop();
    this.trainer.dispose();
  }
}
