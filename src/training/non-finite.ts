import { LatentrayError } from '../errors.js';

/** @internal `ERR_NON_FINITE` of a trainer, with the names that the data has for its samples. */
export function namedSamples(
  error: unknown,
  sampleNumbers: readonly number[],
  ids: readonly string[],
): unknown {
  if (!LatentrayError.isInstance(error) || error.code !== 'ERR_NON_FINITE') return error;
  const numbers = String(error.samples ?? '').split(', ');
  const found = sampleNumbers.flatMap((number, row) =>
    numbers.includes(String(number)) ? [ids[row] as string] : [],
  );
  const named = found.length > 0 ? found : ids;
  const { step } = error;
  return new LatentrayError(
    'ERR_NON_FINITE',
    `step ${step}: the loss of ${named.join(', ')} is not a finite number. Look at these samples, or lower the ` +
      'learning rate and go on from the last checkpoint',
    { cause: error, step: Number(step), ids: named },
  );
}
