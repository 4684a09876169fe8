import { join } from 'node:path';
import { LatentrayError } from '../errors.js';
import { Image } from '../image/image.js';
import { parseOptions } from '../parse-options.js';
import { Pipeline } from '../pipeline/pipeline.js';
import { readRunFile, requireSameRun, writeRunFile } from '../training/run-file.js';
import { type Attempt, AttemptLog } from './attempt-log.js';
import type { AugmentResult } from './augment-events.js';
import {
  type AugmentOptions,
  augmentConfig,
  augmentOptions,
  type ParsedAugmentConfig,
} from './augment-options.js';
import { AugmentTally } from './augment-tally.js';
import { digestOf } from './image-classifier.js';
import { hasImage, makeSetFolders, removeUnfinished, rowOf, writeMetadata } from './image-set.js';
import { type LabelPlan, resolvePlan } from './label-plan.js';
import { placeholdersOf, promptsOf } from './prompts.js';
import { type BlockGate, QualityGate } from './quality-gate.js';
import { type RealImages, readRealImages, recordsDigest } from './real-images.js';
import { type Shard, shardFromEnvironment } from './shard.js';
import { type Block, blocksOf, type Slot, seedOf } from './slots.js';

/** Images in a block for each image of a batch: among them is looked for likeness. */
const batchesOfBlock = 4;

/**
 * Makes synthetic images for training: so many of each label, each checked, in a folder that loaders of images read.
 * Every file and every row of metadata.jsonl says that the image is synthetic and how it was made. A run that was
 * stopped or killed goes on where it was when it is started again with the same options, and ends with the same
 * set; several processes share the work by RANK and WORLD_SIZE, and the last of them writes metadata.jsonl.
 *
 * @throws `ERR_INVALID_ARG`, also where `out` holds another run; `ERR_DATASET`, `ERR_WRITE`; the signal's reason;
 * whatever `pipeline.generate` throws.
 */
export async function augment(options: AugmentOptions): Promise<AugmentResult> {
  const given = parseOptions(augmentOptions, options, 'augment');
  const config = augmentConfig.parse(
    Object.fromEntries(
      Object.keys(augmentConfig.shape).map((name) => [name, given[name as keyof typeof given]]),
    ),
  );
  checkTemplates(config);
  const { signal, out } = given;
  const shard = given.shard ?? shardFromEnvironment();
  const tally = new AugmentTally(options);
  const { tooNear, fit, classifier } = config.gate;
  const real = await readRealImages(given.dataset, {
    fit: tooNear === false ? undefined : fit,
    classifier,
    signal,
    onRead: (count) => tally.read(count),
  });
  const owned = typeof options.pipeline === 'string';
  const pipeline = await openPipeline(options.pipeline, signal);
  try {
    const run = await openRun({ config, out, pipeline, real, shard, signal, tally });
    try {
      return await makeSet(run);
    } finally {
      await run.log.close();
      run.gate.dispose();
    }
  } finally {
    if (owned) pipeline.dispose();
  }
}

interface Given {
  readonly config: ParsedAugmentConfig;
  readonly out: string;
  readonly pipeline: Pipeline;
  readonly real: RealImages;
  readonly shard: Shard;
  readonly signal: AbortSignal | undefined;
  readonly tally: AugmentTally;
}

/** One process at work on a set. */
interface Run extends Given {
  readonly plan: LabelPlan;
  /** All labels, in the order that they have in every row. */
  readonly names: readonly string[];
  /** Of all processes. */
  readonly blocks: readonly Block[];
  readonly gate: QualityGate;
  readonly log: AttemptLog;
  readonly facts: Parameters<typeof writeRunFile>[1];
}

async function openRun(given: Given): Promise<Run> {
  const { config, out, pipeline, real, shard, signal } = given;
  const plan = resolvePlan(config, real.records);
  const known = [...plan.keys(), ...real.records.flatMap(({ labels }) => Object.keys(labels))];
  const names = [...new Set(known)].sort();
  const blocks = blocksOf({
    plan,
    prompts: promptsOf(config, real.records),
    areReports: config.prompts === 'reports',
    names,
    blockSize: batchesOfBlock * config.batchSize,
  });
  const { classifier } = config.gate;
  const identity = {
    ...config,
    gate: { ...config.gate, classifier: classifier && (await digestOf(classifier)) },
    plan: Object.fromEntries(plan),
    modelDigest: await pipeline.digest(),
    records: recordsDigest(real.records),
  };
  await makeSetFolders(out, blocks);
  const runFile = join(out, 'augment.json');
  const before = await readRunFile(runFile);
  if (before) requireSameRun(before.identity, identity);
  const gate = await QualityGate.open(config.gate, real, signal);
  const facts = {
    identity,
    options: { synthetic: true, limits: gate.limits },
    startedAt: before?.startedAt ?? new Date().toISOString(),
  };
  if (!before) await writeRunFile(runFile, facts);
  const log = await AttemptLog.open(out, shard);
  return { ...given, plan, names, blocks, gate, log, facts };
}

async function makeSet(run: Run): Promise<AugmentResult> {
  const { blocks, shard, config, tally, out } = run;
  const own = blocks.filter((_, index) => index % shard.worldSize === shard.rank);
  await forgetMissing(run, own);
  const { maxAttempts } = config;
  tally.start(run.log, own.flat(), maxAttempts);
  for (const block of own) {
    if (block.some((slot) => !isSettled(run, slot))) await makeBlock(run, block);
  }
  // Another process may have written since, so all files are read again.
  const log = await AttemptLog.read(out);
  const all = { ...run, log };
  const complete = blocks.flat().every((slot) => isSettled(all, slot));
  if (complete) await finish(all);
  return { out, complete, ...tally.result(log, run.plan, blocks.flat(), maxAttempts) };
}

/** Every process that finds all work done writes the same. */
async function finish({ blocks, log, config, out, facts, plan }: Run): Promise<void> {
  const slots = [...plan.keys()].flatMap((label) =>
    blocks.flat().filter((slot) => slot.label === label),
  );
  const accepted = slots.map((slot) => log.acceptedOf(slot, config.maxAttempts));
  await writeMetadata(out, accepted.filter((attempt) => attempt !== undefined) as Attempt[]);
  await removeUnfinished(out, blocks);
  await writeRunFile(join(out, 'augment.json'), { ...facts, finishedAt: new Date().toISOString() });
}

function isSettled({ log, config }: Pick<Run, 'log' | 'config'>, slot: Slot): boolean {
  const { maxAttempts } = config;
  return (
    log.acceptedOf(slot, maxAttempts) !== undefined ||
    log.rejectedOf(slot, maxAttempts).length === maxAttempts
  );
}

async function forgetMissing({ log, out, config }: Run, own: readonly Block[]): Promise<void> {
  for (const slot of own.flat()) {
    const accepted = log.acceptedOf(slot, config.maxAttempts);
    if (accepted && !(await hasImage(out, slot))) log.forget(accepted);
  }
}

/**
 * Rounds of attempts, each over what the round before left, in batches that do not depend on where an earlier
 * process was stopped: so the set does not either.
 */
async function makeBlock(run: Run, block: Block): Promise<void> {
  const { config, log } = run;
  const gate = run.gate.block();
  let pending = block;
  for (let attempt = 0; attempt < config.maxAttempts && pending.length > 0; ++attempt) {
    for (let at = 0; at < pending.length; at += config.batchSize) {
      await makeBatch(run, gate, pending.slice(at, at + config.batchSize), attempt);
    }
    pending = pending.filter((slot) => !log.get(slot, attempt)?.accepted);
  }
  run.tally.warnOfFailed(pending);
}

async function makeBatch(
  run: Run,
  gate: BlockGate,
  slots: readonly Slot[],
  attempt: number,
): Promise<void> {
  const { pipeline, config, out, log, names, signal, tally } = run;
  signal?.throwIfAborted();
  if (slots.every((slot) => log.get(slot, attempt))) {
    for (const slot of slots) {
      if (!log.get(slot, attempt)?.accepted) continue;
      await gate.remember(slot, await Image.read(join(out, slot.file), { signal }), signal);
    }
    return;
  }
  const { images, flagged, truncated } = await pipeline.generate({
    ...config.generation,
    prompt: slots.map(({ prompt }) => prompt),
    seed: slots.map((slot) => seedOf(config.seed, slot, attempt)),
    signal,
  });
  tally.warnOfTruncated(truncated);
  const candidates = slots.map((slot, index) => ({
    slot,
    image: images[index] as Image,
    flagged: flagged?.[index] ?? false,
  }));
  const verdicts = await gate.judge(candidates, signal);
  const attempts = candidates.map(({ slot, image }, index): Attempt => {
    const verdict = verdicts[index] as (typeof verdicts)[number];
    const { reasons } = verdict;
    const row = rowOf(slot, image, attempt, verdict, names);
    return { class: slot.label, n: slot.n, attempt, accepted: reasons.length === 0, reasons, row };
  });
  // A line says that its image is there, so the image goes first.
  for (const [index, { accepted }] of attempts.entries()) {
    const { slot, image } = candidates[index] as (typeof candidates)[number];
    if (accepted) await image.save(join(out, slot.file));
  }
  const fresh = attempts.filter((_, index) => !log.get(slots[index] as Slot, attempt));
  await log.append(fresh);
  tally.add(fresh, attempt + 1 === config.maxAttempts);
}

async function openPipeline(given: unknown, signal: AbortSignal | undefined): Promise<Pipeline> {
  if (given instanceof Pipeline) return given;
  if (typeof given === 'string' && given !== '') return Pipeline.load(given, { signal });
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    'pipeline: expected a Pipeline, or the path of its folder',
    { argument: 'pipeline' },
  );
}

/** Before anything is read. */
function checkTemplates({ prompts }: ParsedAugmentConfig): void {
  if (prompts === undefined || prompts === 'reports') return;
  for (const template of Object.values(prompts).flat()) placeholdersOf(template);
}
