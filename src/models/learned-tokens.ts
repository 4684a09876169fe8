import { invalidArgument, LatentrayError } from '../errors.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { TextEncoderHandle } from '../native/addon-types.js';
import { handleOf, Tensor } from '../tensor.js';
import type { Tokenizer } from '../tokenizers/tokenizer.js';
import { readTextualInversion, type TextualInversion } from './textual-inversion.js';

/** @internal The tokens that a text encoder learned by textual inversion, in the tokenizer and the model. */
export class LearnedTokens {
  readonly #handle: TextEncoderHandle;
  readonly #tokenizer: Tokenizer;
  #loaded: readonly TextualInversion[] = [];

  constructor(handle: TextEncoderHandle, tokenizer: Tokenizer) {
    this.#handle = handle;
    this.#tokenizer = tokenizer;
  }

  get tokens(): readonly string[] {
    return this.#loaded.map(({ token }) => token);
  }

  get files(): readonly string[] {
    return this.#loaded.map(({ path }) => path);
  }

  async load(
    path: string,
    { token, signal }: { readonly token?: string | undefined } & JobOptions,
  ): Promise<string> {
    const inversion = await readTextualInversion(path, token);
    this.#check(inversion);
    this.#tokenizer.addTokenSequence(tokensOf(inversion));
    this.#loaded = [...this.#loaded, inversion];
    try {
      await this.#apply(signal);
    } catch (error) {
      this.#forget(inversion);
      throw error;
    }
    return inversion.token;
  }

  async unload(token: string, { signal }: JobOptions): Promise<void> {
    const inversion = this.#loaded.find((loaded) => loaded.token === token);
    if (!inversion) {
      const known = this.tokens.join(', ') || 'none';
      throw invalidArgument('token', `one of the loaded ones (${known})`, token);
    }
    this.#forget(inversion);
    await this.#apply(signal);
  }

  #check(inversion: TextualInversion): void {
    const { path, vectors } = inversion;
    const width = vectors.shape[1];
    if (width !== this.#handle.hiddenSize) {
      throw new LatentrayError(
        'ERR_SHAPE',
        `${path}: the embeddings are ${width} wide, this text encoder's ${this.#handle.hiddenSize}. They ` +
          'were learned for another one',
        { path },
      );
    }
    for (const token of tokensOf(inversion)) {
      if (this.#tokenizer.tokenToId(token) === undefined) continue;
      throw new LatentrayError(
        'ERR_INVALID_ARG',
        `${path}: the vocabulary has '${token}' already. Name another token`,
        { path, token },
      );
    }
  }

  #forget(inversion: TextualInversion): void {
    this.#loaded = this.#loaded.filter((loaded) => loaded !== inversion);
    this.#tokenizer.removeTokens(tokensOf(inversion));
  }

  /** The whole list each time, so that calls that overlap end in the same state. */
  async #apply(signal: AbortSignal | undefined): Promise<void> {
    const ids = this.#loaded.flatMap((inversion) =>
      tokensOf(inversion).map((token) => this.#tokenizer.tokenToId(token) as number),
    );
    const vectors = this.#loaded.map((inversion) => inversion.vectors);
    const rows =
      vectors.length > 0 ? await Tensor.cat(vectors) : Tensor.zeros([0, this.#handle.hiddenSize]);
    await runJob(signal, (token) =>
      addon().setAddedEmbeddings(this.#handle, ids, handleOf(rows), token),
    );
  }
}

/** As diffusers names the tokens of several vectors. */
function tokensOf({ token, vectors }: TextualInversion): string[] {
  const [count = 1] = vectors.shape;
  return Array.from({ length: count }, (_, n) => (n === 0 ? token : `${token}_${n}`));
}
