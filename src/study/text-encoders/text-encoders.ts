import { modelDigest, TextEncoder } from '../../index.js';
import { checkedOptions } from '../options.js';
import { environmentFacts, makeOutput, writeStudy } from '../output.js';
import { lateralityContrasts, negationContrasts } from './clinical-texts.js';
import { sensitivityOf, sentencesOf } from './contrasts.js';
import { type Corpus, promptCorpora, reportCorpus } from './corpora.js';
import { defaultPooling, embed } from './embeddings.js';
import { geometryOf } from './geometry.js';
import { nearestTexts } from './neighbours.js';
import {
  type StudiedEncoder,
  type TextEncoderStudyOptions,
  textEncoderStudyOptions,
} from './options.js';
import { type ProbeOptions, probeLabels } from './probes.js';
import { textEncoderReport } from './report.js';
import type { CorpusResult, EncoderResult, TextEncoderStudy } from './results.js';

/** Neighbours that are looked at, more than are needed where many labels are not known. */
const neighboursKept = 50;

type Pooling = Exclude<StudiedEncoder['pooling'], undefined>;

/**
 * What text encoders keep of clinical texts: linear and nearest-neighbour probes for each label, retrieval,
 * sensitivity to negation and laterality, anisotropy, and a map. Over sentences of this library's own, and
 * over your reports. Writes results.json and report.html; no text of a report is in them.
 *
 * @throws `ERR_INVALID_ARG` for reports of fewer than two patients, `ERR_WRITE`, and what loading throws.
 */
export async function textEncoders(options: TextEncoderStudyOptions): Promise<TextEncoderStudy> {
  const given = checkedOptions(textEncoderStudyOptions, options, 'study.textEncoders');
  const { output, signal, folds, l2, seed, limit, unmentioned, leastPositives } = given;
  await makeOutput(output);
  const corpora = promptCorpora();
  if (given.reports) {
    corpora.push(await reportCorpus(given.reports, { limit, unmentioned, leastPositives, signal }));
  }
  const encoders: EncoderResult[] = [];
  for (const [index, encoder] of given.encoders.entries()) {
    given.onProgress?.({ stage: encoder.name, done: index, total: given.encoders.length });
    encoders.push(
      await withEncoder(encoder, given.device, signal, (loaded) =>
        studyEncoder(encoder, loaded, corpora, { folds, l2, seed, signal }),
      ),
    );
  }
  const study = {
    study: 'text-encoders' as const,
    configuration: {
      ...{ seed, folds, l2, limit, unmentioned, leastPositives },
      encoders: encoders.map(({ name, digest, pooling, randomWeights }) => {
        return { name, digest, pooling, randomWeights };
      }),
      ...environmentFacts(),
    },
    corpora: corpora.map(describe),
    encoders,
  };
  return { ...study, files: await writeStudy(output, study, textEncoderReport(study, corpora)) };
}

/** A folder's encoder is loaded, and given back afterwards. */
async function withEncoder<T>(
  { encoder }: { readonly encoder: TextEncoder | string },
  device: string | undefined,
  signal: AbortSignal | undefined,
  use: (encoder: TextEncoder) => Promise<T>,
): Promise<T> {
  if (typeof encoder !== 'string') return use(encoder);
  const loaded = await TextEncoder.load(encoder, { device, signal });
  try {
    return await use(loaded);
  } finally {
    loaded.dispose();
  }
}

async function studyEncoder(
  { name, pooling: asked, randomWeights }: StudiedEncoder,
  encoder: TextEncoder,
  corpora: readonly Corpus[],
  options: ProbeOptions,
): Promise<EncoderResult> {
  const pooling = (asked ?? defaultPooling(encoder)) as Pooling;
  const isNew = encoder.weightFiles.length === 0;
  const results: CorpusResult[] = [];
  for (const corpus of corpora) results.push(await studyCorpus(encoder, corpus, pooling, options));
  const sensitivity = async (contrasts: ReturnType<typeof negationContrasts>) => {
    const { vectors } = await embed(encoder, sentencesOf(contrasts), pooling, options.signal);
    using given = vectors;
    return sensitivityOf(given, options.signal);
  };
  return {
    name,
    randomWeights: randomWeights ?? isNew,
    modelType: String(encoder.config.model_type),
    digest: isNew ? null : await modelDigest(encoder),
    pooling,
    width: encoder.hiddenSize,
    maxLength: encoder.maxLength,
    corpora: results,
    negation: await sensitivity(negationContrasts()),
    laterality: await sensitivity(lateralityContrasts()),
  };
}

async function studyCorpus(
  encoder: TextEncoder,
  corpus: Corpus,
  pooling: Pooling,
  options: ProbeOptions,
): Promise<CorpusResult> {
  const embeddings = await embed(encoder, corpus.texts, pooling, options.signal);
  using _ = embeddings.vectors;
  const { groups, labels, values } = corpus;
  const neighbours = await nearestTexts(embeddings, groups, neighboursKept, options.signal);
  const probes = await probeLabels({ embeddings, neighbours, groups, labels, values }, options);
  return {
    corpus: corpus.name,
    cut: embeddings.cut,
    probes,
    ...(await geometryOf(embeddings, options.signal)),
  };
}

function describe({ name, texts, groups, groupedBy, labels, digest }: Corpus) {
  return {
    name,
    texts: texts.length,
    groups: new Set(groups).size,
    groupedBy,
    labels,
    digest,
  };
}
