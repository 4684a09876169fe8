import { type Command, InvalidArgumentError } from 'commander';
import { parse } from 'yaml';
import {
  type AugmentPlan,
  augment,
  Classifier,
  type DType,
  defaultModelFolder,
  defaultModelSettings,
  invalidArgument,
  Pipeline,
} from '../index.js';
import { AugmentReport, describeAugmentation } from './augment-report.js';
import { registerEvaluateCommand } from './evaluate-command.js';
import { integer, interruptSignal, number, positiveInteger, printJson } from './options.js';

interface AugmentFlags {
  model?: string;
  dataset?: string;
  plan?: AugmentPlan;
  label: string[];
  template: string[];
  reports?: boolean;
  seed: number;
  steps?: number;
  guidance?: number;
  negative: string;
  scheduler?: string;
  width?: number;
  height?: number;
  tooNear: number | false;
  fit: 'letterbox' | 'centre-crop' | 'stretch';
  classifier?: string;
  minProbability?: number;
  attempts: number;
  batch: number;
  device?: string;
  dtype?: DType;
  out?: string;
  json?: boolean;
}

/** `latentray augment`: a set of synthetic images for training. */
export function registerAugmentCommand(program: Command): void {
  const command = program
    .command('augment')
    .enablePositionalOptions() // what stands behind `evaluate` is evaluate's
    .description(
      'make synthetic images for training, so many of each label, each checked; goes on where it was stopped, and shares the work by RANK and WORLD_SIZE',
    )
    .option(
      '-m, --model <path>',
      'a pipeline in the diffusers layout, or a checkpoint file (default: the one of the package)',
    )
    .option('--dataset <folder>', 'the real images, with metadata.jsonl; its train split is read')
    .option(
      '--plan <what>',
      '"balance" (as many of each label as of the largest), a number for each label, or YAML such as "{ Edema: 200 }"',
      planOf,
    )
    .option(
      '--label <name>',
      'one of the labels, where the plan names none; may be repeated',
      collect,
      [],
    )
    .option(
      '--template <text>',
      'a prompt with {label}, {view}, {sex}, {age}; may be repeated',
      collect,
      [],
    )
    .option('--reports', 'take the texts of real records as prompts')
    .option('--seed <n>', 'all seeds follow from it', integer, 0)
    .option(
      '-s, --steps <n>',
      `denoising steps (default: 50; ${defaultModelSettings.steps} with the default model)`,
      positiveInteger,
    )
    .option(
      '-g, --guidance <scale>',
      `classifier-free guidance; 1 is none (default: 7.5; ${defaultModelSettings.guidanceScale} with the default model)`,
      number,
    )
    .option('-n, --negative <text>', 'what to stay away from', '')
    .option('--scheduler <name>', "such as ddim, euler, dpmpp_2m_karras (default: the model's)")
    .option('--width <pixels>', "a multiple of 8 (default: the model's)", positiveInteger)
    .option('--height <pixels>', "a multiple of 8 (default: the model's)", positiveInteger)
    .option(
      '--too-near <share>',
      'reject what is nearer to a real image, or to one of its prompt, than all but this share of real images are to each other; "off" looks at neither',
      shareOrOff,
      0.01,
    )
    .option(
      '--fit <how>',
      'how real images came to the model: letterbox, centre-crop, stretch',
      'letterbox',
    )
    .option(
      '--classifier <folder>',
      'a classifier that has to see in an image what was asked for; its features know copies too',
    )
    .option('--min-probability <p>', 'from which on a label counts as seen (default: 0.5)', number)
    .option('--attempts <n>', 'tries for each image', positiveInteger, 4)
    .option('--batch <n>', 'images at a time', positiveInteger, 4)
    .option('--device <name>', 'cpu, cuda or cuda:N')
    .option('--dtype <name>', 'float32, bfloat16 or float16')
    .option('-o, --out <folder>', 'where the set goes')
    .option('--json', 'print one JSON object')
    .action(run);
  registerEvaluateCommand(command);
}

async function run(flags: AugmentFlags): Promise<void> {
  const signal = interruptSignal();
  const { dataset, label, seed, fit, tooNear, device, dtype } = flags;
  const plan = required('--plan', flags.plan);
  const out = required('--out', flags.out);
  const pipeline = await Pipeline.load(flags.model ?? defaultModelFolder, {
    device,
    dtype,
    signal,
  });
  const report = new AugmentReport();
  let classifier: Classifier | undefined;
  try {
    classifier = await openClassifier(flags, signal);
    const result = await augment({
      pipeline,
      dataset,
      plan,
      labels: label.length > 0 ? label : undefined,
      prompts: promptsOf(flags),
      seed,
      generation: {
        ...(flags.model === undefined && defaultModelSettings),
        ...(flags.steps !== undefined && { steps: flags.steps }),
        ...(flags.guidance !== undefined && { guidanceScale: flags.guidance }),
        negativePrompt: flags.negative,
        scheduler: flags.scheduler,
        width: flags.width,
        height: flags.height,
      },
      gate: { tooNear, fit, classifier, minProbability: flags.minProbability },
      maxAttempts: flags.attempts,
      batchSize: flags.batch,
      out,
      signal,
      onProgress: (event) => report.progress(event),
    });
    report.end();
    if (flags.json) printJson(result);
    else process.stdout.write(describeAugmentation(result));
  } finally {
    report.end();
    classifier?.dispose();
    pipeline.dispose();
  }
}

function openClassifier({ classifier, minProbability, device }: AugmentFlags, signal: AbortSignal) {
  if (classifier !== undefined) return Classifier.load(classifier, { device, signal });
  if (minProbability === undefined) return undefined;
  throw invalidArgument('--min-probability', 'a --classifier beside it', minProbability);
}

/** commander would ask `evaluate` for them too. */
function required<Value>(name: string, value: Value | undefined): Value {
  if (value === undefined) throw invalidArgument(name, 'a value', undefined);
  return value;
}

function promptsOf({ reports, template }: AugmentFlags): 'reports' | string[] | undefined {
  if (reports && template.length > 0) {
    throw invalidArgument('--reports', 'to be given without --template', 'both');
  }
  if (reports) return 'reports';
  return template.length > 0 ? template : undefined;
}

function collect(text: string, earlier: string[]): string[] {
  return [...earlier, text];
}

function shareOrOff(text: string): number | false {
  return text === 'off' ? false : number(text);
}

/** Checked by `augment`, which says what it expects. */
function planOf(text: string): AugmentPlan {
  try {
    return parse(text);
  } catch (error) {
    const [firstLine = ''] = (error as Error).message.split('\n');
    throw new InvalidArgumentError(firstLine);
  }
}
