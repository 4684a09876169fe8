import type { ProcessGroup } from './process-group.js';
import type { TrainProgress } from './train-events.js';
import type { ResolvedTrainConfig } from './train-options.js';

/** @internal What a run is made with, beside its models and data. */
export interface RunContext {
  readonly options: ResolvedTrainConfig;
  /** The run's folder. */
  readonly folder: string;
  /** Where models are loaded to that come from a folder. */
  readonly device: string | undefined;
  readonly group: ProcessGroup | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (progress: TrainProgress) => void;
  readonly onWarning: (message: string) => void;
}

/** @internal */
export interface MicroBatchLoss {
  readonly loss: number;
}

/** @internal */
export interface EngineUpdate {
  readonly gradientNorm: number;
  readonly skipped: boolean;
}

/** @internal A trainer with its data: what the loop drives. */
export interface Engine {
  /** What the result depends on beside the options: the models' and the data's digests. */
  readonly digests: Readonly<Record<string, string>>;
  /** Images in the data. */
  readonly length: number;
  /** From here on batches are asked for, in order. */
  start(step: number): void;
  /** The next micro batch: each step's are asked for in order. */
  accumulate(step: number, signal: AbortSignal | undefined): Promise<MicroBatchLoss>;
  update(learningRate: number): Promise<EngineUpdate>;
  /** The averaged weights, or the model's own again. */
  useAverage(average: boolean): Promise<void>;
  saveState(path: string): Promise<void>;
  loadState(path: string): Promise<void>;
  /** Into an empty folder. */
  saveResult(folder: string): Promise<void>;
  close(): void;
}
