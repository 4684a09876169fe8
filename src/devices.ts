import { checkThreads } from './environment.js';
import { addon } from './native/addon.js';
import { packageVersion } from './native/package-root.js';

/** A device that models can be loaded to. */
export interface DeviceInfo {
  /** `'cpu'` or `'cuda:N'`. */
  readonly name: string;
  readonly type: 'cpu' | 'cuda';
}

/** The devices of this machine that LibTorch can use. */
export function devices(): DeviceInfo[] {
  return addon().devices();
}

/** Whether LibTorch has CUDA and sees a CUDA device. */
export function cudaIsAvailable(): boolean {
  return devices().some(({ type }) => type === 'cuda');
}

/**
 * How many threads one operation may use on the CPU, for every model of this process.
 *
 * @param threads 1 to 1024. LibTorch's own choice is the number of physical cores.
 * @throws `ERR_INVALID_ARG`.
 */
export function setThreads(threads: number): void {
  addon().setThreads(checkThreads('threads', threads));
}

/** What {@link setThreads} set, or LibTorch's own choice. */
export function getThreads(): number {
  return addon().getThreads();
}

/** Native memory that tensors and models of this thread hold now. */
export function nativeMemory(): { tensors: number; bytes: number } {
  return addon().nativeMemory();
}

/**
 * What this thread's native executors have done: jobs ended, milliseconds spent computing, jobs that wait.
 * The difference between a call's wall time and `busyMs` is what the call costs beside its computation.
 */
export function executorStatistics(): { jobs: number; busyMs: number; waiting: number } {
  return addon().executorStatistics();
}

/** Versions of what runs here; reading `libtorch` or `cuda` loads the addon. */
export const version = {
  /** This package. */
  get latentray(): string {
    return packageVersion;
  },
  /** The LibTorch that the addon was built for. */
  get libtorch(): string {
    return addon().version().libtorch;
  },
  /** Whether this LibTorch has CUDA. */
  get cuda(): boolean {
    return addon().version().cuda;
  },
};
