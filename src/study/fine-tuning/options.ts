import { z } from 'zod';
import { Dataset, type TrainConfig } from '../../index.js';
import { type MeasuringOptions, measuringOptions } from '../image-sets.js';
import { type StudyOptions, studyOptions } from '../options.js';

/**
 * Ways of teaching a pipeline radiographs: not at all; another text encoder, as it is or through a projection
 * that is learned; one new word; low-rank additions; the whole U-Net; the U-Net and the text encoder.
 */
export const fineTuningVariants = [
  'none',
  'swapped-encoder',
  'swapped-encoder-projection',
  'textual-inversion',
  'lora',
  'unet',
  'unet-text-encoder',
] as const;

export type FineTuningVariant = (typeof fineTuningVariants)[number];

/** The word that textual inversion learns. */
export interface LearnedWord {
  /** @default '<lung-xray>' */
  readonly token?: string | undefined;
  /** A word of one token, where it begins. @default 'lung' */
  readonly initializer?: string | undefined;
}

/** A prompt that says what its images are to show, so that a classifier can be asked whether they do. */
export interface StudiedPrompt {
  readonly text: string;
  /** 1 for what the prompt asks for, 0 for what it leaves out, by the classifier's labels. */
  readonly labels?: Readonly<Record<string, 0 | 1>> | undefined;
}

/** What {@link fineTuning} is told. */
export interface FineTuningStudyOptions extends StudyOptions, MeasuringOptions {
  /** The pipeline's folder. */
  readonly pipeline: string;
  /** Whether its weights are random. @default false */
  readonly randomWeights?: boolean | undefined;
  /** Radiographs with texts, to learn from. */
  readonly dataset: Dataset;
  /** Radiographs of other patients, to compare with. */
  readonly heldOut: Dataset;
  /** Most images of `dataset`, and of `heldOut`. @default 1000 */
  readonly images?: number | undefined;
  /** @default every one; those with another encoder only where `textEncoder` is given */
  readonly variants?: readonly FineTuningVariant[] | undefined;
  /** The folder of the text encoder that is swapped in. */
  readonly textEncoder?: string | undefined;
  readonly learnedWord?: LearnedWord | undefined;
  /** How each variant is trained: the options of `train()` that are data, but for what the variant decides. */
  readonly training?: Omit<TrainConfig, 'method' | 'trainable' | 'tokens' | 'resume'> | undefined;
  /** @default the two of arXiv 2210.04133, "A photo of a lung x-ray" without and with a pleural effusion */
  readonly prompts?: readonly (string | StudiedPrompt)[] | undefined;
  /** Of each prompt and variant; the same seeds for all. @default 16 */
  readonly imagesPerPrompt?: number | undefined;
  /** Denoising steps. @default 50 */
  readonly steps?: number | undefined;
  /** @default 4 */
  readonly guidanceScale?: number | undefined;
  /** Images at a time. @default 4 */
  readonly batchSize?: number | undefined;
  readonly device?: string | undefined;
}

/** @internal CheXpert calls it "Pleural Effusion", NIH "Effusion". */
export const studyPrompts: readonly StudiedPrompt[] = [
  { text: 'A photo of a lung x-ray', labels: { 'Pleural Effusion': 0, Effusion: 0 } },
  {
    text: 'A photo of a lung x-ray with a visible pleural effusion',
    labels: { 'Pleural Effusion': 1, Effusion: 1 },
  },
];

const prompt = z
  .union([
    z.string(),
    z.strictObject({
      text: z.string(),
      labels: z.record(z.string().min(1), z.literal([0, 1])).default({}),
    }),
  ])
  .transform((given) => (typeof given === 'string' ? { text: given, labels: {} } : given));

// The classes are looked up when options are checked: index.ts, which has them, loads this file too.
const dataset = z.custom<Dataset>((value) => value instanceof Dataset, 'expected a Dataset');

/** @internal */
export const fineTuningStudyOptions = z
  .strictObject({
    ...studyOptions,
    ...measuringOptions,
    pipeline: z.string().min(1),
    randomWeights: z.boolean().default(false),
    dataset,
    heldOut: dataset,
    images: z.int().min(2).default(1000),
    variants: z.array(z.enum(fineTuningVariants)).min(1).optional(),
    textEncoder: z.string().min(1).optional(),
    learnedWord: z
      .strictObject({
        token: z.string().min(1).default('<lung-xray>'),
        initializer: z.string().min(1).default('lung'),
      })
      .prefault({}),
    training: z.custom<FineTuningStudyOptions['training']>().default({}),
    prompts: z
      .array(prompt)
      .min(1)
      .prefault([...studyPrompts]),
    imagesPerPrompt: z.int().min(2).default(16),
    steps: z.int().positive().default(50),
    guidanceScale: z.number().nonnegative().default(4),
    batchSize: z.int().positive().default(4),
    device: z.string().optional(),
  })
  .refine(({ variants, textEncoder }) => textEncoder !== undefined || !variants?.some(swaps), {
    message: 'textEncoder: expected the folder of the encoder that is swapped in',
  });

/** @internal */
export type CheckedFineTuningStudy = z.output<typeof fineTuningStudyOptions>;

/** @internal Whether a variant has another text encoder. */
export function swaps(variant: FineTuningVariant): boolean {
  return variant.startsWith('swapped-encoder');
}
