/** Where a run stands. */
export interface AugmentProgress {
  /** Reading the real images, or making new ones. */
  readonly phase: 'reading' | 'generating';
  /** Real images that are read; or images that are settled: accepted, or given up. Of this process. */
  readonly done: number;
  /** How many there are in all; 0 while that is not known. */
  readonly total: number;
  /** Images of this process that the set has. */
  readonly accepted: number;
  /** Attempts that did not pass. */
  readonly rejected: number;
  /** Images that were given up after `maxAttempts`. */
  readonly failed: number;
  /** Settled images a second since this start. */
  readonly imagesPerSecond: number;
  /** NaN until it can be said. */
  readonly secondsLeft: number;
}

/** What a run tells. Whatever a callback throws ends the run, and its promise rejects with it. */
export interface AugmentCallbacks {
  readonly onProgress?: ((progress: AugmentProgress) => void) | undefined;
  /** What a person should know: prompts that were cut, images that were given up. @default writes to stderr */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What became of one label. */
export interface LabelOutcome {
  readonly planned: number;
  readonly accepted: number;
  /** Given up after `maxAttempts`. */
  readonly failed: number;
  /** Attempts that did not pass. */
  readonly rejected: number;
}

/** What {@link augment} answers with. */
export interface AugmentResult {
  /** The folder. */
  readonly out: string;
  /** Whether the work of all processes is done, and so metadata.jsonl is written. */
  readonly complete: boolean;
  /** By label, over all processes as far as they are. */
  readonly labels: Readonly<Record<string, LabelOutcome>>;
  /** How often each check rejected an attempt. */
  readonly reasons: Readonly<Record<string, number>>;
}
