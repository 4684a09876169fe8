import type { Pair } from './pair.js';
import type { ImageFigures } from './similarities.js';

/** A pair that is shown. */
export interface Example extends Pair {
  readonly figures: ImageFigures;
}

/** The images that come out worst, and as many as they come. */
export class Examples {
  readonly #count: number;
  readonly drawn: Example[] = [];
  #worst: Example[] = [];

  constructor(count: number) {
    this.#count = count;
  }

  /** The worst first. */
  get worst(): readonly Example[] {
    return this.#worst;
  }

  add(pairs: readonly Pair[], figures: readonly ImageFigures[]): void {
    const examples = pairs.flatMap((pair, index) => {
      const found = figures[index];
      return found ? [{ ...pair, figures: found }] : [];
    });
    this.drawn.push(...examples.slice(0, this.#count - this.drawn.length));
    this.#worst = [...this.#worst, ...examples]
      .sort((a, b) => b.figures.rmse - a.figures.rmse)
      .slice(0, this.#count);
  }
}
