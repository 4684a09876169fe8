import { z } from 'zod';
import { invalidArgument } from '../../errors.js';
import { toSeed } from '../../noise-source.js';
import { parseOptions } from '../../parse-options.js';
import { philox, wordsOf } from './philox.js';
import { purposes } from './purposes.js';

/** Whole numbers that a counter's word holds. */
const wordRange = 2 ** 32;

/**
 * The order of one epoch: a permutation of 0 … `length` − 1 that follows from the seed and the epoch alone.
 *
 * @param seed - 0 … 2⁶⁴ − 1.
 * @param epoch - From 0.
 * @param length - How many samples there are.
 */
export function epochOrder(seed: number | bigint, epoch: number, length: number): Uint32Array {
  checkWord('epoch', epoch);
  checkWord('length', length);
  const words = randomWords(toSeed(seed), epoch);
  const order = Uint32Array.from({ length }, (_, i) => i);
  // Fisher and Yates' shuffle.
  for (let i = length - 1; i > 0; --i) {
    const other = below(i + 1, words);
    const moved = order[i] as number;
    order[i] = order[other] as number;
    order[other] = moved;
  }
  return order;
}

/**
 * Which sample has a number. Numbers count through all epochs, so a number says where a run is: it is what
 * trainers take as `sampleNumbers`.
 */
export class SampleOrder {
  readonly #seed: number | bigint;
  readonly #length: number;
  /** A step may span two epochs, and is prefetched while the last one still runs. */
  readonly #latest = new Map<number, Uint32Array>();

  /** @throws LatentrayError `ERR_INVALID_ARG` for a seed outside 0 … 2⁶⁴ − 1, or without samples. */
  constructor(seed: number | bigint, length: number) {
    checkWord('length', length, 1);
    this.#seed = toSeed(seed);
    this.#length = length;
  }

  /** The index of the sample with this number. */
  indexOf(sampleNumber: number): number {
    if (!Number.isSafeInteger(sampleNumber) || sampleNumber < 0) {
      throw invalidArgument('sampleNumber', 'a whole number from 0 on', sampleNumber);
    }
    const epoch = Math.floor(sampleNumber / this.#length);
    return this.#orderOf(epoch)[sampleNumber % this.#length] as number;
  }

  #orderOf(epoch: number): Uint32Array {
    const known = this.#latest.get(epoch);
    if (known) return known;
    const order = epochOrder(this.#seed, epoch, this.#length);
    const [oldest] = this.#latest.keys();
    if (this.#latest.size >= 2 && oldest !== undefined) this.#latest.delete(oldest);
    this.#latest.set(epoch, order);
    return order;
  }
}

/** Which part of a step is asked for. */
export interface StepSamplesOptions {
  /** From 0. */
  readonly step: number;
  /** Samples that one process computes at a time. */
  readonly batchSize: number;
  /** Batches a step. @default 1 */
  readonly microSteps?: number;
  /** @default 0 */
  readonly rank?: number;
  /** Processes that train together. @default 1 */
  readonly worldSize?: number;
}

const natural = z.int().min(0);
const positive = z.int().min(1);
const stepSamplesOptions = z
  .strictObject({
    step: natural,
    batchSize: positive,
    microSteps: positive.default(1),
    rank: natural.default(0),
    worldSize: positive.default(1),
  })
  .refine(({ rank, worldSize }) => rank < worldSize, {
    path: ['rank'],
    message: 'expected a rank below worldSize',
  });

/**
 * The numbers of the samples that one process computes in a step, an array for each of its batches. Processes
 * take turns in the order of the data: together they compute what one would.
 *
 * @throws LatentrayError `ERR_INVALID_ARG`.
 */
export function stepSamples(options: StepSamplesOptions): number[][] {
  const { step, batchSize, microSteps, rank, worldSize } = parseOptions(
    stepSamplesOptions,
    options,
    'stepSamples',
  );
  const ofRank = (n: number) => n * worldSize + rank;
  const first = step * microSteps * batchSize;
  return Array.from({ length: microSteps }, (_, micro) =>
    Array.from({ length: batchSize }, (_, i) => ofRank(first + micro * batchSize + i)),
  );
}

function* randomWords(seed: bigint, epoch: number): Generator<number, never> {
  const [low, high] = wordsOf(BigInt(epoch));
  for (let block = 0; ; ++block) yield* philox(seed, [block, low, high, purposes.order]);
}

/** A number below `limit`. Words of an incomplete last round would make small numbers likelier. */
function below(limit: number, words: Generator<number, never>): number {
  const fair = wordRange - (wordRange % limit);
  for (;;) {
    const { value } = words.next();
    if (value < fair) return value % limit;
  }
}

function checkWord(name: string, value: number, least = 0): void {
  if (Number.isInteger(value) && value >= least && value < wordRange) return;
  throw invalidArgument(name, `a whole number from ${least} to 2³² − 1`, value);
}
