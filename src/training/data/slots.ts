/** Lets so many jobs run at a time; others wait in order. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await job();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

/** All results, or the first error once every job has ended; what the others made is then disposed of. */
export async function allOrNone<T extends { dispose(): void }>(
  jobs: readonly Promise<T>[],
): Promise<T[]> {
  const settled = await Promise.allSettled(jobs);
  const failed = settled.find((result) => result.status === 'rejected');
  const made = settled.filter((result) => result.status === 'fulfilled');
  if (!failed) return made.map(({ value }) => value);
  for (const { value } of made) value.dispose();
  throw failed.reason;
}
