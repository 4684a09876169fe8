import { type Labels, metrics } from '../../index.js';
import { halfOf } from '../folds.js';
import { MeasuredSet, type MeasuringNetworks, type SetDistance } from '../image-sets.js';
import { labelValue, type Unmentioned, usableLabels } from '../labels.js';
import type { Pair } from './pair.js';

/** How far reconstructions are from originals, in one network's features. */
export interface ReconstructionDistance {
  readonly network: string;
  /** All originals against their own reconstructions. */
  readonly reconstructed: SetDistance;
  /** Originals of one half of the patients against originals of the other: what no autoencoder at all comes to. */
  readonly floor: SetDistance | null;
  /** Originals of one half against reconstructions of the other: as many images as the floor has. */
  readonly acrossHalves: SetDistance | null;
}

/** How well a classifier tells a label on originals and on their reconstructions. */
export interface LabelKept {
  readonly label: string;
  readonly original: metrics.RankingEstimate;
  readonly restored: metrics.RankingEstimate;
  /** Reconstructions less originals, drawn in pairs. */
  readonly difference: metrics.RankingEstimate;
}

/** What networks see of a data set; empty without networks. */
export interface NetworkFindings {
  readonly distances: readonly ReconstructionDistance[];
  readonly labels: readonly LabelKept[];
}

/** Positives and negatives that a label needs. */
const leastOfLabel = 5;

interface Half {
  readonly originals: MeasuredSet;
  readonly restored: MeasuredSet;
  readonly labels: Labels[];
}

/** What networks see of originals and reconstructions, pair by pair. */
export class NetworkView {
  readonly #networks: MeasuringNetworks;
  readonly #seed: number;
  readonly #halves: readonly [Half, Half];

  constructor(networks: MeasuringNetworks, seed: number) {
    const half = () => ({
      originals: new MeasuredSet(networks),
      restored: new MeasuredSet(networks),
      labels: [],
    });
    this.#networks = networks;
    this.#seed = seed;
    this.#halves = [half(), half()];
  }

  async add(pairs: readonly Pair[], signal: AbortSignal | undefined): Promise<void> {
    for (const [index, half] of this.#halves.entries()) {
      const own = pairs.filter(({ record }) => halfOf(record.patient, this.#seed) === index);
      await half.originals.add(
        own.map(({ original }) => original),
        signal,
      );
      await half.restored.add(
        own.map(({ restored }) => restored),
        signal,
      );
      half.labels.push(...own.map(({ record }) => record.labels));
    }
  }

  async findings(
    unmentioned: Unmentioned,
    signal: AbortSignal | undefined,
  ): Promise<NetworkFindings> {
    const [a, b] = this.#halves;
    const originals = await a.originals.and(b.originals, signal);
    const restored = await a.restored.and(b.restored, signal);
    const floors = await a.originals.distances(b.originals, signal);
    const across = await a.originals.distances(b.restored, signal);
    const of = (distances: readonly SetDistance[], network: string) =>
      distances.find((each) => each.network === network) ?? null;
    const distances = (await originals.distances(restored, signal)).map((reconstructed) => ({
      network: reconstructed.network,
      reconstructed,
      floor: of(floors, reconstructed.network),
      acrossHalves: of(across, reconstructed.network),
    }));
    const rows = [...a.labels, ...b.labels].map((labels) => ({ labels }));
    const names = this.#networks.classifier?.labels ?? [];
    const usable = usableLabels(rows, unmentioned, leastOfLabel);
    const labels: LabelKept[] = [];
    for (const label of usable.filter((name) => names.includes(name))) {
      const at = names.indexOf(label);
      const truth = rows.map((row) => labelValue(row.labels, label, unmentioned));
      const scores = (set: MeasuredSet) => set.probabilities.map((row) => row[at] as number);
      labels.push(await keptOf(label, truth, scores(originals), scores(restored), signal));
    }
    return { distances, labels };
  }
}

async function keptOf(
  label: string,
  truth: readonly number[],
  original: readonly number[],
  restored: readonly number[],
  signal: AbortSignal | undefined,
): Promise<LabelKept> {
  const options = { bootstrap: true, signal };
  const [labels, before, after] = [truth, original, restored].map((row) =>
    Float32Array.from(row),
  ) as [Float32Array, Float32Array, Float32Array];
  return {
    label,
    original: await metrics.auroc(labels, before, options),
    restored: await metrics.auroc(labels, after, options),
    difference: await metrics.aurocDifference(labels, after, before, options),
  };
}
