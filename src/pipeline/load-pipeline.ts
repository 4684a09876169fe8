import { join } from 'node:path';
import { z } from 'zod';
import { Autoencoder } from '../models/autoencoder.js';
import { ControlNet } from '../models/controlnet.js';
import type { CheckpointOptions, ModelOptions } from '../models/model-folder.js';
import { SafetyChecker } from '../models/safety-checker.js';
import { TextEncoder } from '../models/text-encoder.js';
import { TextProjection } from '../models/text-projection.js';
import type { TextualInversionSource } from '../models/textual-inversion.js';
import { UNet } from '../models/unet.js';
import { checkPath, parseOptions, placedJobOptions } from '../parse-options.js';
import { Scheduler, type SchedulerConfig } from '../scheduler.js';
import type { LoraSource } from './lora-adapters.js';
import { checkParts, chooseScheduler, type PipelineParts } from './parts.js';
import { openPipeline, type PartSource, type PipelineSource } from './pipeline-source.js';
import type { SafetyCheck } from './safety-check.js';
import { textProjectionFor } from './text-projection-part.js';

/** How a pipeline is loaded; parts that are given replace the folder's. */
export interface PipelineOptions extends Omit<CheckpointOptions, 'config'> {
  /** For a checkpoint file: the folder in the diffusers layout that has its configs and its tokenizer. */
  readonly config?: string | undefined;
  /** CLIP, BERT, RoBERTa or CXR-BERT. One of another width needs a `textProjection`. */
  readonly textEncoder?: string | TextEncoder | undefined;
  /**
   * Between the text encoder's states and the U-Net: a folder, a projection, or a new one with random weights
   * (`'mlp'` has one hidden layer). @default the folder's `text_projection`, where it has one
   */
  readonly textProjection?: string | TextProjection | undefined;
  /** Files of learned tokens; see {@link Pipeline.loadTextualInversion}. */
  readonly embeddings?: readonly (string | TextualInversionSource)[] | undefined;
  /** Files of LoRA weights; see {@link Pipeline.loadLora}. */
  readonly lora?: readonly (string | LoraSource)[] | undefined;
  readonly unet?: string | UNet | undefined;
  readonly vae?: string | Autoencoder | undefined;
  /** A name that takes over the folder's config, a config, or a scheduler. */
  readonly scheduler?: string | SchedulerConfig | Scheduler | undefined;
  /** What `control` steers the U-Net with: a folder, a ControlNet, or several. */
  readonly controlNet?: string | ControlNet | readonly (string | ControlNet)[] | undefined;
  /**
   * Looks at every image before it is returned: the folder's own (`true`), another folder's, or a function of
   * yours. @default none: nothing is checked
   */
  readonly safetyChecker?: true | string | SafetyChecker | SafetyCheck | undefined;
}

const source = <Options extends z.ZodRawShape>(options: Options) =>
  z.union([z.string(), z.strictObject({ path: z.string(), ...options })]);

const pipelineOptions = z.strictObject({
  ...placedJobOptions.shape,
  variant: z.string().optional(),
  config: z.string().optional(),
  ema: z.boolean().optional(),
  textEncoder: folderOr(TextEncoder).optional(),
  textProjection: folderOr(TextProjection).optional(),
  embeddings: z.array(source({ token: z.string().optional() })).optional(),
  lora: z.array(source({ name: z.string().optional(), scale: z.number().optional() })).optional(),
  unet: folderOr(UNet).optional(),
  vae: folderOr(Autoencoder).optional(),
  scheduler: z
    .custom<string | SchedulerConfig | Scheduler>(isNameOrObject, 'expected a name or a config')
    .optional(),
  controlNet: z.union([folderOr(ControlNet), z.array(folderOr(ControlNet))]).optional(),
  safetyChecker: z
    .union([
      z.literal(true),
      folderOr(SafetyChecker),
      z.custom<SafetyCheck>((value) => typeof value === 'function', 'expected a function'),
    ])
    .optional(),
});

/** A folder's path, or what was loaded from one. */
function folderOr<T>(Class: { prototype: T; name: string }) {
  const matches = (value: unknown) =>
    typeof value === 'string' || value instanceof (Class as unknown as new () => T);
  return z.custom<string | T>(matches, `expected a folder or a ${Class.name}`);
}

function isNameOrObject(value: unknown): boolean {
  return typeof value === 'string' || (typeof value === 'object' && value !== null);
}

/** @internal What {@link Pipeline.load} makes a pipeline of. */
export interface LoadedPipeline {
  readonly parts: PipelineParts;
  readonly index: PipelineSource['index'];
  readonly embeddings: readonly TextualInversionSource[];
  readonly lora: readonly LoraSource[];
}

/** @internal */
export async function loadPipeline(
  path: string,
  options: PipelineOptions,
): Promise<LoadedPipeline> {
  const given = parseOptions(pipelineOptions, options, 'Pipeline.load') as PipelineOptions;
  checkPath(path);
  const origin = await openPipeline(path, given);
  const { device, dtype, signal } = given;
  const model = { device, dtype, signal };
  const { tokenizer } = origin;
  const [textEncoder, unet, vae, scheduler, controlNets, safetyChecker] = await Promise.all([
    part(given.textEncoder, origin.part('text_encoder'), (folder, own) =>
      TextEncoder.load(folder, { ...model, ...own, ...(own && { tokenizer }) }),
    ),
    part(given.unet, origin.part('unet'), (folder, own) => UNet.load(folder, { ...model, ...own })),
    part(given.vae, origin.part('vae'), (folder, own) =>
      Autoencoder.load(folder, { ...model, ...own }),
    ),
    Scheduler.load(origin.scheduler),
    loadControlNets(given.controlNet, model),
    loadSafetyChecker(given.safetyChecker, path, model),
  ]);
  const textProjection = await textProjectionFor(
    { folder: path, wanted: given.textProjection, textEncoder, unet },
    model,
  );
  const parts: PipelineParts = {
    ...{ textEncoder, textProjection, unet, vae, controlNets, safetyChecker },
    scheduler: chooseScheduler(scheduler, given.scheduler),
  };
  checkParts(parts);
  const { embeddings = [], lora = [] } = given;
  return {
    parts,
    index: origin.index,
    embeddings: embeddings.map(withPath),
    lora: lora.map(withPath),
  };
}

function withPath<Source extends { readonly path: string }>(given: string | Source) {
  return typeof given === 'string' ? ({ path: given } as Source) : given;
}

/** A part that was given, or the pipeline's own, which `load` gets with its own options. */
async function part<T extends object>(
  given: string | T | undefined,
  { path, options }: PartSource,
  load: (path: string, own?: CheckpointOptions) => Promise<T>,
): Promise<T> {
  if (given === undefined) return load(path, options);
  return typeof given === 'string' ? load(given) : given;
}

function loadControlNets(
  given: PipelineOptions['controlNet'],
  options: ModelOptions,
): Promise<ControlNet[]> {
  return Promise.all(
    [given ?? []]
      .flat()
      .map((one) => (typeof one === 'string' ? ControlNet.load(one, options) : one)),
  );
}

async function loadSafetyChecker(
  given: PipelineOptions['safetyChecker'],
  folder: string,
  options: ModelOptions,
): Promise<SafetyChecker | SafetyCheck | undefined> {
  if (given === true) return SafetyChecker.load(join(folder, 'safety_checker'), options);
  return typeof given === 'string' ? SafetyChecker.load(given, options) : given;
}
