/** What the addon gives for an object of its own. */
interface Handle {
  readonly disposed: boolean;
  dispose(): void;
}

/** An object over native memory, which is given back when the object is disposed of or collected. */
export abstract class NativeObject {
  readonly #handle: Handle;

  /** @internal */
  constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** Gives the memory back once running calls have ended; twice is fine. */
  dispose(): void {
    this.#handle.dispose();
  }

  get disposed(): boolean {
    return this.#handle.disposed;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
