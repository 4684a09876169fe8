import type { Command } from 'commander';
import { invalidArgument, study } from '../index.js';
import { collect, datasetHelp, isFolder, named, openDataset } from './dataset-source.js';
import { integer, interruptSignal, number, positiveInteger } from './options.js';
import { printStudy, StudyReport } from './study-report.js';

interface Flags {
  encoder: string[];
  random: string[];
  pooling?: study.StudiedEncoder['pooling'];
  reports?: string;
  section?: string;
  limit: number;
  unmentioned: 'negative' | 'unknown';
  leastPositives: number;
  folds: number;
  l2: number;
  seed: number;
  device?: string;
  out: string;
  json?: boolean;
}

/** `latentray study text-encoders`. */
export function registerTextEncoderStudy(parent: Command): void {
  parent
    .command('text-encoders')
    .description('what text encoders keep of clinical prompts and of reports')
    .requiredOption('-e, --encoder <name=folder…>', 'a text encoder; several times', collect, [])
    .option('--random <name…>', 'an encoder whose weights are random', collect, [])
    .option('-p, --pooling <kind>', 'mean, cls, eot, pooler or projection (default: of its kind)')
    .option('--reports <source>', `reports with labels: ${datasetHelp}`)
    .option(
      '--section <name>',
      "of the reports (default: impression); a folder's records have their text",
    )
    .option('--limit <n>', 'most reports', positiveInteger, 2000)
    .option(
      '--unmentioned <what>',
      'what a label that is not there means: negative or unknown',
      'negative',
    )
    .option('--least-positives <n>', 'positives that a label needs', positiveInteger, 10)
    .option('--folds <n>', 'parts of the patients', positiveInteger, 5)
    .option('--l2 <n>', 'penalty of the linear probe', number, 1)
    .option('--seed <n>', 'of the folds', integer, 0)
    .option('--device <name>', 'cpu, cuda or cuda:N')
    .option('-o, --out <folder>', 'where results.json and report.html go', 'outputs/text-encoders')
    .option('--json', 'print all figures')
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const { out: output, json, random, pooling, reports, section, ...options } = flags;
  const { encoder: sources, ...rest } = options;
  const signal = interruptSignal();
  const encoders = sources.map(named).map(({ name, value }) => ({
    ...{ name, encoder: value, pooling },
    ...(random.includes(name) && { randomWeights: true }),
  }));
  const report = new StudyReport();
  const result = await study
    .textEncoders({
      ...rest,
      encoders,
      output,
      reports: reports === undefined ? undefined : textsOf(reports, section),
      signal,
      onProgress: report.update,
    })
    .finally(() => report.end());
  printStudy(result, json);
}

/** The records of a folder have their text; other data sets have reports, of which one section is taken. */
function textsOf(source: string, section: string | undefined) {
  const dataset = openDataset(source);
  if (!isFolder(source)) return dataset.reports({ section: section ?? 'impression' });
  if (section === undefined) return dataset;
  throw invalidArgument('--section', 'none for a folder, whose records have one text', section);
}
