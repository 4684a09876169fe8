import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LatentrayError } from '../errors.js';
import { parsePythonJson } from '../json.js';
import {
  makeFolderAtomically,
  removeFolderAtomically,
  removePartial,
  writeFileAtomically,
} from './atomic-files.js';

/** @internal What a checkpoint holds beside the trainer's state. */
export interface CheckpointFacts {
  /** How many steps are done. */
  readonly step: number;
  /** Of the last of them. */
  readonly loss: number;
  /** How long they took, over all starts. */
  readonly seconds: number;
  /** Of the options and the data: a run goes on only as what it was. */
  readonly fingerprint: string;
}

/** @internal A checkpoint on disk. */
export interface Checkpoint extends CheckpointFacts {
  readonly folder: string;
  /** The trainer's state. */
  readonly stateFile: string;
}

const facts = z.object({
  step: z.int().min(0),
  loss: z.number(),
  seconds: z.number().min(0),
  fingerprint: z.string(),
});

/** @internal checkpoints/step-00000010 … of a run folder. A folder of such a name is complete. */
export class Checkpoints {
  readonly #folder: string;

  constructor(runFolder: string) {
    this.#folder = join(runFolder, 'checkpoints');
  }

  /** Their steps, in order. */
  async steps(): Promise<number[]> {
    const names = await readdir(this.#folder).catch(() => [] as string[]);
    const steps = names.flatMap((name) => {
      const digits = /^step-(\d+)$/.exec(name)?.[1];
      return digits === undefined ? [] : [Number(digits)];
    });
    return steps.sort((a, b) => a - b);
  }

  /** @throws `ERR_MODEL_NOT_FOUND`, `ERR_CONFIG_INVALID`. */
  async read(step: number): Promise<Checkpoint> {
    return readCheckpoint(this.#path(step));
  }

  /** The one with the most steps. */
  async latest(): Promise<Checkpoint | undefined> {
    const step = (await this.steps()).at(-1);
    return step === undefined ? undefined : this.read(step);
  }

  /** Whole or not at all; then the oldest beyond `limit` go. */
  async write(
    checkpoint: CheckpointFacts,
    limit: number | undefined,
    saveState: (path: string) => Promise<void>,
  ): Promise<void> {
    await makeFolderAtomically(this.#path(checkpoint.step), async (folder) => {
      await saveState(join(folder, 'state.safetensors'));
      await writeFileAtomically(join(folder, 'state.json'), `${JSON.stringify(checkpoint)}\n`);
    });
    if (limit !== undefined) await this.#prune(limit);
  }

  /** What a killed process left half written. */
  async clean(): Promise<void> {
    await removePartial(this.#folder);
  }

  async #prune(limit: number): Promise<void> {
    const steps = await this.steps();
    for (const step of steps.slice(0, Math.max(0, steps.length - limit))) {
      await removeFolderAtomically(this.#path(step));
    }
  }

  #path(step: number): string {
    return join(this.#folder, `step-${String(step).padStart(8, '0')}`);
  }
}

/** @internal */
export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const path = join(folder, 'state.json');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new LatentrayError(
      'ERR_MODEL_NOT_FOUND',
      `${folder}: expected a checkpoint, a folder with state.json and state.safetensors`,
      { cause, path },
    );
  });
  const parsed = facts.safeParse(parsePythonJson(text, path));
  if (!parsed.success) {
    throw new LatentrayError('ERR_CONFIG_INVALID', `${path}: ${z.prettifyError(parsed.error)}`, {
      path,
    });
  }
  return { ...parsed.data, folder, stateFile: join(folder, 'state.safetensors') };
}
