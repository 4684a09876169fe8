import type { Command } from 'commander';
import { invalidArgument, study, type TrainConfig } from '../index.js';
import { parseFlag, readConfig } from './config-flags.js';
import { collect, datasetHelp, openDataset } from './dataset-source.js';
import { integer, interruptSignal, number, positiveInteger } from './options.js';
import { classifierFlag, inceptionFlag, openInception } from './study-networks.js';
import { printStudy, StudyReport } from './study-report.js';

interface Flags {
  model: string;
  random?: boolean;
  dataset: string;
  heldOut?: string;
  textEncoder?: string;
  variant: string[];
  prompt: string[];
  token: string;
  initializer: string;
  training?: string;
  classifier?: string;
  inception?: string;
  images: number;
  imagesPerPrompt: number;
  steps: number;
  guidance: number;
  batch: number;
  seed: number;
  device?: string;
  out: string;
  json?: boolean;
}

/** Of the patients, where nothing else is held out. */
const parts = { train: 0.8, test: 0.2 };

/** `latentray study fine-tuning`. */
export function registerFineTuningStudy(parent: Command): void {
  parent
    .command('fine-tuning')
    .description('ways of fine-tuning a pipeline, over prompts')
    .requiredOption('-m, --model <folder>', 'the pipeline, in the diffusers layout')
    .option('--random', 'its weights are random, and the report is to say so')
    .requiredOption('--dataset <source>', `radiographs with texts: ${datasetHelp}`)
    .option(
      '--held-out <source>',
      'of other patients (default: a fifth of the patients of --dataset)',
    )
    .option('--text-encoder <folder>', 'the encoder that is swapped in')
    .option(
      '--variant <name…>',
      `of ${study.fineTuningVariants.join(', ')} (default: all)`,
      collect,
      [],
    )
    .option(
      '--prompt <text…>',
      'several times; YAML such as "{ text: An effusion., labels: { Effusion: 1 } }" says what a classifier should see (default: the paper\'s two)',
      collect,
      [],
    )
    .option('--token <word>', 'what textual inversion learns', '<lung-xray>')
    .option('--initializer <word>', 'where it begins: a word of one token', 'lung')
    .option(
      '-c, --training <file>',
      'YAML or JSON: options of `latentray train`, for every variant',
    )
    .option(...classifierFlag)
    .option(...inceptionFlag)
    .option('--images <n>', 'most training images', positiveInteger, 1000)
    .option('--images-per-prompt <n>', 'of each variant', positiveInteger, 16)
    .option('--steps <n>', 'denoising steps', positiveInteger, 50)
    .option('--guidance <scale>', 'classifier-free guidance', number, 4)
    .option('--batch <n>', 'images at a time', positiveInteger, 4)
    .option('--seed <n>', 'of training and of the first image', integer, 0)
    .option('--device <name>', 'cpu, cuda or cuda:N')
    .option('-o, --out <folder>', 'where results.json and report.html go', 'outputs/fine-tuning')
    .option('--json', 'print all figures')
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const signal = interruptSignal();
  const whole = openDataset(flags.dataset);
  const split = flags.heldOut === undefined ? whole.split(parts) : undefined;
  const report = new StudyReport();
  const { images, imagesPerPrompt, steps, seed, device, textEncoder, token, initializer } = flags;
  using networks = await openInception(flags.inception, device, signal);
  const result = await study
    .fineTuning({
      classifier: flags.classifier,
      featureExtractors: networks.extractors,
      ...{ images, imagesPerPrompt, steps, seed, device, textEncoder },
      pipeline: flags.model,
      ...(flags.random && { randomWeights: true }),
      dataset: split?.train ?? whole,
      heldOut: split?.test ?? openDataset(flags.heldOut ?? ''),
      ...(flags.variant.length > 0 && { variants: flags.variant.map(variantOf) }),
      ...(flags.prompt.length > 0 && { prompts: flags.prompt.map(promptOf) }),
      learnedWord: { token, initializer },
      ...(flags.training && { training: (await readConfig(flags.training)) as TrainConfig }),
      guidanceScale: flags.guidance,
      batchSize: flags.batch,
      output: flags.out,
      signal,
      onProgress: report.update,
    })
    .finally(() => report.end());
  printStudy(result, flags.json);
}

/** Checked by the study, which says what it expects. */
function promptOf(text: string): string | study.StudiedPrompt {
  return text.trimStart().startsWith('{')
    ? (parseFlag('--prompt', text) as study.StudiedPrompt)
    : text;
}

function variantOf(name: string): study.FineTuningVariant {
  const found = study.fineTuningVariants.find((variant) => variant === name);
  if (!found) throw invalidArgument('--variant', study.fineTuningVariants.join(', '), name);
  return found;
}
