import { invalidArgument } from '../../errors.js';
import { datasetError } from './dataset-error.js';
import { readMetadataFile } from './metadata-file.js';
import { checkSample, type TrainingRecord, type TrainingSample } from './training-sample.js';

/** A folder with metadata.jsonl, or samples from anywhere: a `Dataset`, an array, a generator. */
export type TrainingSource = string | Iterable<TrainingSample> | AsyncIterable<TrainingSample>;

/**
 * Reads a source to its end. Images stay paths, bytes or what they are.
 *
 * @throws LatentrayError `ERR_DATASET` with the place of what is wrong; `ERR_INVALID_ARG` for what is no source.
 */
export async function readSource(
  source: TrainingSource,
  signal: AbortSignal | undefined,
): Promise<TrainingRecord[]> {
  const records: TrainingRecord[] = [];
  const ids = new Map<string, TrainingRecord>();
  for await (const record of recordsOf(source)) {
    signal?.throwIfAborted();
    const earlier = ids.get(record.id);
    if (earlier) {
      const { path, line } = earlier.origin;
      const place = line === undefined ? path : `line ${line}`;
      throw datasetError(
        record.origin,
        `id '${record.id}': expected one of its own, ${place} has it`,
      );
    }
    ids.set(record.id, record);
    records.push(record);
  }
  if (records.length > 0) return records;
  const path = typeof source === 'string' ? source : 'source';
  throw datasetError({ path }, 'expected at least one image with its text, found none');
}

function recordsOf(source: TrainingSource): AsyncGenerator<TrainingRecord> {
  if (typeof source === 'string' && source !== '') return readMetadataFile(source);
  const iterable = source as Partial<Iterable<unknown> & AsyncIterable<unknown>> | undefined;
  const isIterable = iterable?.[Symbol.asyncIterator] ?? iterable?.[Symbol.iterator];
  if (typeof source === 'string' || !isIterable) {
    throw invalidArgument('source', 'a folder, or an iterable of { image, text }', source);
  }
  return checkedSamples(source);
}

async function* checkedSamples(
  source: Iterable<unknown> | AsyncIterable<unknown>,
): AsyncGenerator<TrainingRecord> {
  let index = 0;
  for await (const sample of source) {
    yield checkSample(sample, index, { path: `source[${index}]` });
    index++;
  }
}
