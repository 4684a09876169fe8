// Decoding keeps JavaScript and WebAssembly busy for up to a second, so it happens in threads of its own, which stay
// for the next file and end with the process.

import { availableParallelism } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { LatentrayError } from '../../errors.js';
import { modulePath } from '../../native/module-path.js';
import type { DicomImage } from './decode.js';
import type { DecodeReply, DecodeRequest } from './decoder-thread.js';
import { damaged } from './errors.js';

const maxThreads = Math.min(4, availableParallelism());
/** A codec that a hostile file leads in circles is stopped after that. */
const longestMs = 60_000;

const program = join(dirname(modulePath), `../data/dicom/decoder-thread${extname(modulePath)}`);

const idle = new Set<Worker>();
/** Calls that wait for one of the others to end. */
const waiting: (() => void)[] = [];
let running = 0;

/** Decodes in a thread. A signal ends the waiting at once; a thread that has begun goes on to its end. */
export async function decodeInThread(
  request: DecodeRequest,
  signal?: AbortSignal,
  timeoutMs = longestMs,
): Promise<DicomImage> {
  signal?.throwIfAborted();
  const image = decodeInTurn(request, timeoutMs, signal);
  if (!signal) return image;
  const listening = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    const options = { signal: listening.signal };
    signal.addEventListener('abort', () => reject(signal.reason), options);
  });
  return Promise.race([image, aborted]).finally(() => listening.abort());
}

async function decodeInTurn(
  request: DecodeRequest,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<DicomImage> {
  while (running >= maxThreads) await new Promise<void>((resolve) => waiting.push(resolve));
  running++;
  try {
    signal?.throwIfAborted();
    return await decodeBy(takeThread(), request, timeoutMs);
  } finally {
    running--;
    waiting.shift()?.();
  }
}

function takeThread(): Worker {
  for (const worker of idle) {
    idle.delete(worker);
    worker.ref();
    return worker;
  }
  const worker = new Worker(program);
  worker.on('error', () => idle.delete(worker));
  worker.on('exit', () => idle.delete(worker));
  return worker;
}

async function decodeBy(
  worker: Worker,
  request: DecodeRequest,
  timeoutMs: number,
): Promise<DicomImage> {
  const timer = setTimeout(() => worker.terminate(), timeoutMs);
  try {
    const limit = `${timeoutMs / 1000} seconds`;
    const reply = await exchange(worker, request, limit);
    worker.unref();
    idle.add(worker);
    if ('image' in reply) return reply.image;
    const { code, message, ...fields } = reply.failure;
    throw new LatentrayError(code, message, fields);
  } finally {
    clearTimeout(timer);
  }
}

function exchange(
  worker: Worker,
  { source, settings }: DecodeRequest,
  limit: string,
): Promise<DecodeReply> {
  // A copy of its own: cloning a view would copy everything behind it.
  const own = typeof source === 'string' ? source : Uint8Array.from(source);
  return new Promise((resolve, reject) => {
    const onError = (cause: Error) => {
      reject(damaged(`the decoder gave up (${cause.message})`, cause));
    };
    const onExit = () => reject(damaged(`the decoder ended, or took longer than ${limit}`));
    worker.once('error', onError);
    worker.once('exit', onExit);
    worker.once('message', (reply: DecodeReply) => {
      worker.off('error', onError);
      worker.off('exit', onExit);
      resolve(reply);
    });
    const request: DecodeRequest = { source: own, settings };
    worker.postMessage(request, typeof own === 'string' ? [] : [own.buffer as ArrayBuffer]);
  });
}
