import type { Command } from 'commander';
import {
  Pipeline,
  type PipelineOptions,
  processGroupFromEnvironment,
  type TrainConfig,
  train,
  trainConfig,
} from '../index.js';
import { addConfigFlags, readConfig, requiredIn } from './config-flags.js';
import { interruptSignal, printJson } from './options.js';
import { TrainReport } from './train-report.js';

interface TrainFlags extends TrainConfig {
  config?: string;
  pipeline?: PipelineSource;
  dataset?: string;
  output?: string;
  device?: string;
  json?: boolean;
}

/** A pipeline as a file may name it: its folder, or the folder with what replaces its parts. */
type PipelineSource = string | ({ readonly path: string } & PipelineOptions);

/** `latentray train`: a run that a file or flags describe. */
export function registerTrainCommand(program: Command): void {
  const command = program
    .command('train')
    .description(
      'fine-tune a model: a file says how, flags override it; values with several parts are YAML',
    )
    .option('-c, --config <file>', 'YAML or JSON: pipeline, dataset, output and the options below')
    .option('--pipeline <folder>', 'the model, in the diffusers layout')
    .option('--dataset <folder>', 'images and metadata.jsonl')
    .option('-o, --output <folder>', "the run's folder: checkpoints, metrics, the result")
    .option('--device <name>', 'cpu, cuda or cuda:N');
  addConfigFlags(command, trainConfig)
    .option('--json', 'print one JSON object')
    .action(runTraining);
}

async function runTraining({ config, json, ...flags }: TrainFlags): Promise<void> {
  const signal = interruptSignal();
  const given = { ...(config !== undefined && (await readConfig(config))), ...flags };
  const { pipeline, device, dataset, output, ...options } = given as TrainFlags;
  const data = requiredIn('dataset', dataset);
  const folder = requiredIn('output', output);
  const source = requiredIn('pipeline', pipeline);
  const isFolder = typeof source === 'string';
  const report = isFirstProcess() ? new TrainReport() : undefined;
  try {
    const result = await train({
      ...options,
      dataset: data,
      output: folder,
      pipeline: isFolder ? source : await openPipeline(source, device, signal),
      ...(isFolder && device !== undefined && { device }),
      signal,
      onStep: (step) => report?.step(step),
      onProgress: (progress) => report?.progress(progress),
    });
    report?.end();
    if (!report) return;
    if (json) printJson(result);
    else process.stdout.write(`${result.result}\n`);
  } finally {
    report?.end();
  }
}

/** A folder alone is opened by `train`, which knows what of it begins from scratch. */
async function openPipeline(
  { path, ...options }: Exclude<PipelineSource, string>,
  device: string | undefined,
  signal: AbortSignal,
): Promise<Pipeline> {
  return Pipeline.load(path, {
    ...options,
    ...(device !== undefined && { device: ownDevice(device) }),
    signal,
  });
}

/** Each of the processes on a machine has a GPU of its own. */
function ownDevice(device: string): string {
  const place = processGroupFromEnvironment();
  return device === 'cuda' && place ? `cuda:${place.localRank}` : device;
}

function isFirstProcess(): boolean {
  return (processGroupFromEnvironment()?.rank ?? 0) === 0;
}
