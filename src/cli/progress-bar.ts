/** A progress bar on a terminal; nothing elsewhere, and never on stdout, which is for results. */
export class ProgressBar {
  readonly #stream: NodeJS.WriteStream;
  readonly #label: string;
  readonly #startedAt = performance.now();
  #drawn = false;

  constructor(label: string, stream: NodeJS.WriteStream = process.stderr) {
    this.#label = label;
    this.#stream = stream;
  }

  /** @param note - What to say beside the bar. By default how long it takes still. */
  update(done: number, total: number, note?: string): void {
    if (!this.#stream.isTTY) return;
    const share = total > 0 ? done / total : 0;
    const bar = '█'.repeat(Math.round(share * 24)).padEnd(24, '░');
    const words = note ?? this.#remaining(share);
    this.#stream.write(`\r\x1b[K${this.#label} ${bar} ${done}/${total} ${words}`);
    this.#drawn = true;
  }

  /** Leaves the line for what follows. */
  end(): void {
    if (this.#drawn) this.#stream.write('\r\x1b[K');
    this.#drawn = false;
  }

  #remaining(share: number): string {
    if (share <= 0 || share >= 1) return '';
    const elapsed = performance.now() - this.#startedAt;
    return `${Math.ceil((elapsed / share - elapsed) / 1000)} s left`;
  }
}
