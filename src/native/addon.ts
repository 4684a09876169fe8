import { LatentrayError } from '../errors.js';
import type { Addon, CancelToken } from './addon-types.js';
import { loadAddon } from './load-addon.js';

let ready: Addon | undefined;

/** The addon, loaded and initialised at the first use, so that importing the package loads nothing. */
export function addon(): Addon {
  ready ??= initialize(loadAddon().addon);
  return ready;
}

function initialize(loaded: Addon): Addon {
  loaded.initialize((code, message, fields) => new LatentrayError(code, message, { ...fields }));
  // A thread that still computes when the process ends meets freed memory: stop it while we can.
  process.on('exit', () => loaded.shutDown());
  return loaded;
}

/** What every call that computes takes. */
export interface JobOptions {
  /** Stops the call at its next step or block; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs one native job under `signal`, and makes its errors show where the caller awaited it. */
export async function runJob<T>(
  signal: AbortSignal | undefined,
  start: (token: CancelToken | undefined) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const token = signal ? addon().createCancelToken() : undefined;
  const cancel = () => token?.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await start(token);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof Error) Error.captureStackTrace(error, runJob);
    throw error;
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}
