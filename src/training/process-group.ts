import { z } from 'zod';
import type { Variables } from '../environment.js';
import { invalidArgument, LatentrayError } from '../errors.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { ProcessGroupHandle } from '../native/addon-types.js';
import { NativeObject } from '../native/native-object.js';
import { jobOptions, parseOptions } from '../parse-options.js';

/** This process's place among those that train together. */
export interface ProcessGroupOptions {
  /** Which of them this is, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly worldSize: number;
  /** Which of those on this machine this is, from 0: its GPU. @default `rank` */
  readonly localRank?: number;
  /** Where rank 0 runs: a host name or an address. @default '127.0.0.1' */
  readonly masterAddr?: string;
  /** The port at which the processes meet, 1 to 65535. @default 29500 */
  readonly masterPort?: number;
  /** What carries tensors: Gloo between CPUs (and GPUs, through the CPU), NCCL between GPUs. @default 'gloo' */
  readonly backend?: 'gloo' | 'nccl';
  /** How long to wait for the others to come, and for one exchange with them, in milliseconds. @default 1800000 */
  readonly timeoutMs?: number;
  /** Whether the launcher keeps the meeting point in place of rank 0, as torchrun's agent does. @default false */
  readonly launcherHostsStore?: boolean;
  /** Keeps apart what one meeting point serves, such as restarts of a job. @default '' */
  readonly prefix?: string;
}

const natural = z.int().min(0);
const processGroupOptions = z.strictObject({
  ...jobOptions.shape,
  rank: natural,
  worldSize: z.int().min(1),
  localRank: natural.optional(),
  masterAddr: z.string().min(1).default('127.0.0.1'),
  masterPort: z.int().min(1).max(65535).default(29500),
  backend: z.enum(['gloo', 'nccl']).default('gloo'),
  timeoutMs: z
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .default(30 * 60 * 1000),
  launcherHostsStore: z.boolean().default(false),
  prefix: z.string().default(''),
});

const handleKey = Symbol.for('latentray.process-group.handle');

/**
 * Processes that train one model together, over LibTorch's c10d. Every process calls the same methods in the
 * same order. Where one of them ends, the others reject with `ERR_PROCESS_GROUP`, which names it and its
 * reason; the group is of no more use then. Disposing of it leaves the group.
 *
 * Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training" (2020).
 */
export class ProcessGroup extends NativeObject {
  readonly #handle: ProcessGroupHandle;
  /** Which of the processes this is, from 0. */
  readonly rank: number;
  /** How many processes there are. */
  readonly worldSize: number;
  /** Which of those on this machine this is, from 0. */
  readonly localRank: number;

  private constructor(handle: ProcessGroupHandle, localRank: number) {
    super(handle);
    this.#handle = handle;
    this.rank = handle.rank;
    this.worldSize = handle.worldSize;
    this.localRank = localRank;
  }

  /**
   * Waits until every process is there.
   *
   * @throws `ERR_INVALID_ARG`; `ERR_PROCESS_GROUP` when the port is taken, nobody answers, or the others do
   * not come within `timeoutMs`; `ERR_DEVICE_UNAVAILABLE` for NCCL without a GPU.
   */
  static async connect(options: ProcessGroupOptions & JobOptions): Promise<ProcessGroup> {
    const parsed = parseOptions(processGroupOptions, options, 'ProcessGroup.connect');
    const { signal, launcherHostsStore, rank, worldSize, localRank = rank, ...rest } = parsed;
    if (rank >= worldSize)
      throw invalidArgument('rank', `an integer below worldSize, ${worldSize}`, rank);
    const hostsStore = rank === 0 && !launcherHostsStore;
    const request = { ...rest, rank, worldSize, localRank, hostsStore };
    const handle = await runJob(signal, (token) => addon().createProcessGroup(request, token));
    return new ProcessGroup(handle, localRank);
  }

  /** @internal */
  get [handleKey](): ProcessGroupHandle {
    return this.#handle;
  }

  /** Resolves when every process has called it. @throws `ERR_PROCESS_GROUP`, `ERR_DISPOSED`. */
  async barrier(options: JobOptions = {}): Promise<void> {
    const { signal } = parseOptions(jobOptions, options, 'barrier');
    await runJob(signal, async (token) => this.#handle.barrier(token));
  }

  /**
   * Adds up each number over the processes; all get the same result.
   *
   * @param numbers - As many on every process.
   * @throws `ERR_PROCESS_GROUP`, `ERR_DISPOSED`.
   */
  async sum(numbers: readonly number[], options: JobOptions = {}): Promise<number[]> {
    const { signal } = parseOptions(jobOptions, options, 'sum');
    const valid = Array.isArray(numbers) && numbers.every((value) => typeof value === 'number');
    if (!valid) throw invalidArgument('numbers', 'an array of numbers', numbers);
    return runJob(signal, async (token) => this.#handle.sum(numbers, token));
  }

  /**
   * Tells the other processes that this one cannot go on, so that they end with its reason. Takes up to a
   * second on the process that keeps the meeting point.
   */
  async fail(reason: unknown): Promise<void> {
    const text = LatentrayError.isInstance(reason)
      ? `${(reason as LatentrayError).code}: ${(reason as LatentrayError).message}`
      : String(reason);
    await runJob(undefined, async (token) => this.#handle.fail(text, token));
  }
}

/** @internal For the options of what runs in one. */
export const processGroupOption = z
  .custom<ProcessGroup>((value) => value instanceof ProcessGroup, 'expected a ProcessGroup')
  .optional();

/** @internal */
export function processGroupHandleOf(group: ProcessGroup): ProcessGroupHandle {
  const handle = (group as { [handleKey]?: ProcessGroupHandle } | undefined)?.[handleKey];
  if (!handle) throw invalidArgument('processGroup', 'a ProcessGroup', group);
  return handle;
}

const wholeNumber = z.string().regex(/^\d+$/, 'expected a whole number').transform(Number);

const required = {
  RANK: wholeNumber,
  WORLD_SIZE: wholeNumber.refine((size) => size >= 1, 'expected at least 1'),
  MASTER_ADDR: z.string(),
  MASTER_PORT: wholeNumber.refine((port) => port >= 1 && port <= 65535, 'expected 1 to 65535'),
};
const launcherVariables = z.object({
  ...required,
  LOCAL_RANK: wholeNumber.optional(),
  TORCHELASTIC_USE_AGENT_STORE: z.string().optional(),
  TORCHELASTIC_RESTART_COUNT: wholeNumber.optional(),
});

/**
 * What torchrun, and launchers that speak its language (SLURM scripts, Kubernetes operators), tell a process
 * of its place: `RANK`, `WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT`, `LOCAL_RANK`. An empty variable counts as
 * absent; without `RANK` and `WORLD_SIZE` the process is alone: undefined.
 *
 * @throws `ERR_INVALID_ARG` naming a variable that is missing or no such number.
 */
export function processGroupFromEnvironment(
  variables: Variables = process.env,
): ProcessGroupOptions | undefined {
  if (!variables.RANK && !variables.WORLD_SIZE) return undefined;
  const names = Object.keys(launcherVariables.shape);
  const present = Object.fromEntries(
    names.filter((name) => variables[name]).map((name) => [name, variables[name]]),
  );
  for (const name of Object.keys(required)) {
    if (present[name] === undefined)
      throw invalidArgument(name, 'a value beside the other variables of a launcher', undefined);
  }
  const found = parseOptions(launcherVariables, present, 'environment variables');
  // torchrun's agent keeps one store for all restarts of a job.
  const launcherHostsStore = found.TORCHELASTIC_USE_AGENT_STORE === 'True';
  return {
    rank: found.RANK,
    worldSize: found.WORLD_SIZE,
    localRank: found.LOCAL_RANK ?? 0,
    masterAddr: found.MASTER_ADDR,
    masterPort: found.MASTER_PORT,
    launcherHostsStore,
    prefix: launcherHostsStore ? `attempt ${found.TORCHELASTIC_RESTART_COUNT ?? 0}` : '',
  };
}
