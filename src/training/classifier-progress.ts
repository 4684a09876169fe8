import { LatentrayError } from '../errors.js';

/** @internal The epoch that was best so far, and when there is no point in going on. */
export class EarlyStopping {
  readonly #patience: number;
  #best = { epoch: -1, value: Number.NEGATIVE_INFINITY };
  #latest = -1;

  /** @param patience How many epochs without a better one end training. */
  constructor(patience: number) {
    this.#patience = patience;
  }

  /**
   * Takes an epoch's figure, the higher the better; whether it is the best. Of equal ones the first counts.
   * `ERR_DATASET` for NaN: there is nothing to choose by.
   */
  add(epoch: number, value: number): boolean {
    if (Number.isNaN(value)) {
      throw new LatentrayError(
        'ERR_DATASET',
        `epoch ${epoch}: expected a validation AUROC, found none: no label has positives and ` +
          'negatives among the validation records. Validate on more',
      );
    }
    this.#latest = epoch;
    if (value <= this.#best.value) return false;
    this.#best = { epoch, value };
    return true;
  }

  get best(): { readonly epoch: number; readonly value: number } {
    return this.#best;
  }

  get isOver(): boolean {
    return this.#latest - this.#best.epoch >= this.#patience;
  }
}
