import { basename, extname, join } from 'node:path';
import { z } from 'zod';
import { invalidArgument, LatentrayError } from '../errors.js';
import { isFile } from '../models/json-files.js';
import type { TextEncoder } from '../models/text-encoder.js';
import type { UNet } from '../models/unet.js';
import { addon, type JobOptions, runJob } from '../native/addon.js';
import type { LoraTarget } from '../native/addon-types.js';
import { parseOptions } from '../parse-options.js';
import type { WeightSource } from './model-digest.js';

/** An adapter of a pipeline. */
export interface LoraAdapter {
  readonly name: string;
  /** What its additions are multiplied by; 0 is off. */
  readonly scale: number;
  readonly path: string;
}

/** Where an adapter comes from, and how strong it is. */
export interface LoraSource {
  /** A file, or a folder with pytorch_lora_weights.safetensors. */
  readonly path: string;
  /** @default the file's name without its extension */
  readonly name?: string | undefined;
  /** @default 1 */
  readonly scale?: number | undefined;
}

const scale = z.number().refine(Number.isFinite, 'expected a finite number');
const loadOptions = z.strictObject({
  name: z.string().min(1).optional(),
  scale: scale.default(1),
  signal: z.instanceof(AbortSignal).optional(),
});
const scales = z.record(z.string(), scale);

const publishedNames = ['pytorch_lora_weights.safetensors', 'pytorch_lora_weights.bin'];

/** @internal The LoRA adapters of a pipeline's U-Net and text encoder. */
export class LoraAdapters {
  readonly #targets: readonly (() => LoraTarget)[];
  #loaded: readonly LoraAdapter[] = [];
  /** By name: one object a loaded file, whatever its scale, as digests are kept by object. */
  readonly #sources = new Map<string, WeightSource>();
  #fused = false;

  constructor({ unet, textEncoder }: { unet: UNet; textEncoder: TextEncoder }) {
    this.#targets = [() => [unet.handle, 'unet'], () => [textEncoder.handle, 'textEncoder']];
  }

  get loaded(): readonly LoraAdapter[] {
    return this.#loaded;
  }

  /** What each adapter was loaded from. */
  get sources(): readonly WeightSource[] {
    return this.#loaded.map(({ name }) => this.#sources.get(name) as WeightSource);
  }

  get fused(): boolean {
    return this.#fused;
  }

  async load(path: string, options: Omit<LoraSource, 'path'> & JobOptions = {}): Promise<string> {
    if (typeof path !== 'string') throw invalidArgument('path', 'a path', path);
    const parsed = parseOptions(loadOptions, options, 'loadLora');
    const file = await findFile(path);
    const name = parsed.name ?? basename(file, extname(file));
    if (this.#loaded.some((adapter) => adapter.name === name)) {
      throw invalidArgument('name', 'one that no adapter has', name);
    }
    const layers = await this.#add(file, name, parsed.signal);
    if (layers === 0) {
      throw new LatentrayError(
        'ERR_WEIGHTS_MISSING_KEY',
        `${file}: holds no LoRA weights for this pipeline's U-Net or text encoder`,
        { path: file },
      );
    }
    this.#sources.set(name, { weightFiles: [file] });
    this.#loaded = [...this.#loaded, { name, scale: parsed.scale, path: file }];
    await this.#applyScales(parsed.signal);
    return name;
  }

  /** Scales by name; adapters that are not named are switched off. */
  async setScales(wanted: Readonly<Record<string, number>>, { signal }: JobOptions): Promise<void> {
    const parsed = parseOptions(scales, wanted, 'setLoraScales');
    for (const name of Object.keys(parsed)) this.#find(name);
    this.#refuseFused();
    this.#loaded = this.#loaded.map((adapter) => ({
      ...adapter,
      scale: parsed[adapter.name] ?? 0,
    }));
    await this.#applyScales(signal);
  }

  async unload(name: string | undefined, { signal }: JobOptions): Promise<void> {
    const leaving = name === undefined ? this.#loaded : [this.#find(name)];
    this.#refuseFused();
    for (const adapter of leaving) {
      await this.#each(signal, (target, token) =>
        addon().removeLora(...target, adapter.name, token),
      );
    }
    this.#loaded = this.#loaded.filter((adapter) => !leaving.includes(adapter));
  }

  async fuse({ signal }: JobOptions): Promise<void> {
    await this.#each(signal, (target, token) => addon().fuseLora(...target, token));
    this.#fused = this.#loaded.length > 0;
  }

  async unfuse({ signal }: JobOptions): Promise<void> {
    await this.#each(signal, (target, token) => addon().unfuseLora(...target, token));
    this.#fused = false;
  }

  /** Hangs a file's layers on both parts, or on neither. */
  async #add(file: string, name: string, signal: AbortSignal | undefined): Promise<number> {
    let layers = 0;
    try {
      await this.#each(signal, async (target, token) => {
        layers += await addon().addLora(...target, file, name, token);
      });
    } catch (error) {
      if (!this.#fused) {
        await this.#each(undefined, (target, token) => addon().removeLora(...target, name, token));
      }
      throw error;
    }
    return layers;
  }

  #applyScales(signal: AbortSignal | undefined): Promise<void> {
    const byName = Object.fromEntries(this.#loaded.map((adapter) => [adapter.name, adapter.scale]));
    return this.#each(signal, (target, token) => addon().setLoraScales(...target, byName, token));
  }

  async #each(
    signal: AbortSignal | undefined,
    change: (
      target: LoraTarget,
      token: Parameters<Parameters<typeof runJob>[1]>[0],
    ) => Promise<unknown>,
  ): Promise<void> {
    for (const target of this.#targets) await runJob(signal, (token) => change(target(), token));
  }

  #find(name: string): LoraAdapter {
    const found = this.#loaded.find((adapter) => adapter.name === name);
    if (found) return found;
    const known = this.#loaded.map((adapter) => adapter.name).join(', ') || 'none';
    throw invalidArgument('name', `one of the loaded adapters (${known})`, name);
  }

  #refuseFused(): void {
    if (!this.#fused) return;
    throw new LatentrayError('ERR_INVALID_ARG', 'the LoRA adapters are fused: unfuse them first');
  }
}

async function findFile(path: string): Promise<string> {
  for (const file of [path, ...publishedNames.map((name) => join(path, name))]) {
    if (await isFile(file)) return file;
  }
  throw new LatentrayError(
    'ERR_MODEL_NOT_FOUND',
    `${path}: expected a file of LoRA weights, or a folder with ${publishedNames.join(' or ')}`,
    { path },
  );
}
