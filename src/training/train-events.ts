/** Where a run stands, after each step. */
export interface TrainStep {
  /** How many steps are done. */
  readonly step: number;
  readonly steps: number;
  /** The mean over the step's samples. */
  readonly loss: number;
  readonly learningRate: number;
  /** Before it was limited. */
  readonly gradientNorm: number;
  /** float16: a gradient overflowed, and the step changed nothing. */
  readonly skipped: boolean;
  /** Over all processes, since this start. */
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
  /** Resident memory of this process, in bytes. */
  readonly memory: number;
}

/** What a run does before its first step, and between steps. */
export interface TrainProgress {
  readonly phase: 'class-images' | 'latents' | 'texts' | 'training' | 'validation' | 'checkpoint';
  readonly done: number;
  readonly total: number;
}

/** What a run tells. Whatever a callback throws ends the run, and its promise rejects with it. */
export interface TrainCallbacks {
  readonly onStep?: ((step: TrainStep) => void) | undefined;
  readonly onProgress?: ((progress: TrainProgress) => void) | undefined;
  /** What a person should know: texts that were cut, caches that were made anew. @default writes to stderr */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What {@link train} answers with. */
export interface TrainResult {
  /** The run's folder. */
  readonly output: string;
  /** Where the result is: a pipeline, LoRA weights, learned embeddings. */
  readonly result: string;
  readonly steps: number;
  /** Of the last step. */
  readonly loss: number;
}
