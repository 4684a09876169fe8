import { join } from 'node:path';
import type { Pipeline } from '../pipeline/pipeline.js';
import { Tensor } from '../tensor.js';
import type { ClassImages } from './class-images.js';
import type { TrainingData } from './data/training-data.js';
import { DenoiserTrainer, type DenoiserTrainerOptions } from './denoiser-trainer.js';
import type { MicroBatchLoss, RunContext } from './engine.js';
import { LatentStream } from './latent-stream.js';
import { addNewTokens, saveTokens } from './new-tokens.js';
import { namedSamples } from './non-finite.js';
import { uniformOf } from './sample-random.js';
import { conditionTexts, type TextConditioning } from './text-conditioning.js';
import { type EngineParts, TrainerEngine } from './trainer-engine.js';
import { trainerSettings } from './trainer-settings.js';

/** Class images count from here, so that no number is used twice. */
const firstClassNumber = 2 ** 48;

/** What of a pipeline a method trains. */
type Plan = Pick<DenoiserTrainerOptions, 'trainable' | 'lora'> & { readonly tokens: boolean };

/** @internal Trains parts of a pipeline to predict the noise of the data's latents. */
export class DenoiserEngine extends TrainerEngine<DenoiserTrainer> {
  readonly #pipeline: Pipeline;
  readonly #plan: Plan;
  readonly #texts: TextConditioning;
  readonly #latents: LatentStream;
  readonly #data: TrainingData;
  readonly #classes: { readonly images: ClassImages; readonly latents: LatentStream } | undefined;

  private constructor(parts: Parts) {
    super({ ...parts, length: parts.data.length });
    this.#pipeline = parts.pipeline;
    this.#plan = parts.plan;
    this.#texts = parts.texts;
    this.#latents = parts.latents;
    this.#data = parts.data;
    this.#classes = parts.classes;
  }

  static async open(
    pipeline: Pipeline,
    data: TrainingData,
    images: ClassImages | undefined,
    run: RunContext,
  ): Promise<DenoiserEngine> {
    const plan = planOf(run.options);
    const digests = {
      model: await pipeline.digest(),
      data: data.digest,
      ...(images && { classImages: images.data.digest }),
    };
    const tokens = plan.tokens ? await addNewTokens(pipeline, run) : {};
    const runsTextEncoder = plan.tokens || trainsTextEncoder(plan);
    const texts = [...data.texts, ...(images ? [images.prompt] : [])];
    const conditioning = await conditionTexts(pipeline, texts, runsTextEncoder, run);
    const latents = await LatentStream.open(pipeline.vae, data, run, 'data');
    const classes = images && {
      images,
      latents: await LatentStream.open(pipeline.vae, images.data, run, 'class-images'),
    };
    const trainer = await DenoiserTrainer.create(
      modelsOf(pipeline),
      trainerOptions(plan, tokens, run),
    );
    return new DenoiserEngine({
      run,
      pipeline,
      trainer,
      plan,
      texts: conditioning,
      latents,
      data,
      classes,
      digests,
    });
  }

  start(step: number): void {
    this.#latents.start(step);
    this.#classes?.latents.start(step);
  }

  async accumulate(step: number, signal: AbortSignal | undefined): Promise<MicroBatchLoss> {
    const { options } = this.run;
    const { latents, deviation, mask, indices, sampleNumbers } = await this.#latents.next();
    const classes = await this.#classes?.latents.next();
    const texts = indices.map((index, row) => this.#textOf(index, sampleNumbers[row] as number));
    const prior = this.#classes?.images;
    const classRows = classes?.indices.length ?? 0;
    const weight = options.priorPreservation?.weight ?? 0;
    // Each part's mean counts, and a batch has as many of the one as of the other.
    const share = prior ? 2 : 1;
    const batch = {
      latents: await stacked(latents, classes?.latents),
      ...(deviation && { deviation: await stacked(deviation, classes?.deviation) }),
      ...(mask && { mask: await stacked(mask, classes && (await onesFor(classes.latents))) }),
      ...(await this.#texts.batch([
        ...texts,
        ...new Array<string>(classRows).fill(prior?.prompt ?? ''),
      ])),
      sampleNumbers: [
        ...sampleNumbers,
        ...(classes?.sampleNumbers ?? []).map((n) => n + firstClassNumber),
      ],
      lossWeights: [
        ...indices.map((index) => share * (this.#data.weights[index] as number)),
        ...new Array<number>(classRows).fill(share * weight),
      ],
      prior: [...indices.map(() => false), ...new Array<boolean>(classRows).fill(true)],
    };
    try {
      return await this.trainer.accumulate(batch, this.position(step, signal));
    } catch (error) {
      throw namedSamples(error, batch.sampleNumbers, [
        ...indices.map((index) => this.#data.ids[index] as string),
        ...(classes?.indices ?? []).map((index) => prior?.data.ids[index] as string),
      ]);
    } finally {
      for (const tensor of [latents, deviation, mask, classes?.latents, classes?.deviation])
        tensor?.dispose();
    }
  }

  async saveResult(folder: string): Promise<void> {
    const { trainable, lora, tokens } = this.#plan;
    if (trainable && trainable.length > 0) await this.#pipeline.save(folder);
    if (lora) await this.trainer.saveLora(join(folder, 'pytorch_lora_weights.safetensors'));
    if (tokens) await saveTokens(folder, await this.trainer.learnedTokens());
  }

  protected stop(): void {
    this.#latents.close();
    this.#classes?.latents.close();
  }

  #textOf(index: number, sampleNumber: number): string {
    const { captionDropout, seed } = this.run.options;
    const dropped = uniformOf(BigInt(seed), 'caption', sampleNumber) < captionDropout;
    return dropped ? '' : (this.#data.texts[index] as string);
  }
}

interface Parts extends Omit<EngineParts<DenoiserTrainer>, 'length'> {
  readonly pipeline: Pipeline;
  readonly plan: Plan;
  readonly texts: TextConditioning;
  readonly latents: LatentStream;
  readonly data: TrainingData;
  readonly classes: { readonly images: ClassImages; readonly latents: LatentStream } | undefined;
}

function planOf({ method, trainable, lora, tokens }: RunContext['options']): Plan {
  const ofMethod = {
    unet: ['unet'],
    'text-encoder': ['textEncoder'],
    projection: ['textProjection'],
    lora: [],
    'textual-inversion': [],
    autoencoder: [],
  } as const;
  const whole = trainable ?? (method ? ofMethod[method] : []);
  return { trainable: whole, ...(lora && { lora: loraOf(lora) }), tokens: tokens !== undefined };
}

function loraOf({ rank, alpha, targets }: NonNullable<RunContext['options']['lora']>) {
  return { rank, targets, ...(alpha !== undefined && { alpha }) };
}

function trainsTextEncoder({ trainable, lora }: Plan): boolean {
  return trainable?.includes('textEncoder') === true || Boolean(lora?.targets?.textEncoder);
}

function modelsOf({ unet, textEncoder, textProjection, scheduler }: Pipeline) {
  return { unet, textEncoder, scheduler, ...(textProjection && { textProjection }) };
}

function trainerOptions(
  { trainable, lora }: Plan,
  tokens: Record<string, number[]>,
  run: RunContext,
): DenoiserTrainerOptions & { readonly signal?: AbortSignal } {
  const { snrGamma, noiseOffset, inputPerturbation, gradientCheckpointing } = run.options;
  return {
    ...trainerSettings(run),
    ...(trainable && { trainable }),
    ...(lora && { lora }),
    ...(snrGamma !== undefined && { snrGamma }),
    tokens,
    noiseOffset,
    inputPerturbation,
    gradientCheckpointing,
  };
}

async function stacked(own: Tensor, others: Tensor | undefined): Promise<Tensor> {
  return others ? Tensor.cat([own, others]) : own;
}

/** [N, 1, h, w] */
async function onesFor({ shape }: Tensor): Promise<Tensor> {
  const [count = 0, , height = 0, width = 0] = shape;
  return Tensor.ones([count, 1, height, width]);
}
