import { readCsv } from './csv-rows.js';
import { chexpertLabels, readLabels } from './labels.js';
import type { ProblemLog } from './problems.js';
import type { Labels } from './record.js';
import { parseSplit } from './values.js';

/** The labels of MIMIC-CXR's studies by study_id. */
export interface LabelsOfStudy {
  get(study: string): Labels | undefined;
}

/**
 * Two bits a label, 28 bits a study: 227,827 studies take a few megabytes, where objects would take a
 * hundred.
 */
export async function readStudyLabels(path: string, log: ProblemLog): Promise<LabelsOfStudy> {
  const packed = new Map<number, number>();
  const required = ['study_id', ...chexpertLabels];
  for await (const { line, get } of readCsv(path, { required }, log)) {
    const read = readLabels(chexpertLabels, get);
    const study = Number(get('study_id'));
    if ('invalid' in read) log.add({ kind: 'row', path, line, message: read.invalid });
    else if (!Number.isSafeInteger(study)) {
      log.add({
        kind: 'row',
        path,
        line,
        message: 'expected digits as study_id',
      });
    } else packed.set(study, pack(read.labels));
  }
  return {
    get(study) {
      const bits = packed.get(Number(study));
      return bits === undefined ? undefined : unpack(bits);
    },
  };
}

/** In two bits; 0 is a label that is not mentioned. */
const values = [undefined, 1, 0, -1] as const;

function pack(labels: Labels): number {
  return chexpertLabels.reduce(
    (bits, name, index) => bits | (values.indexOf(labels[name]) << (2 * index)),
    0,
  );
}

function unpack(bits: number): Labels {
  const entries = chexpertLabels.map((name, index) => [name, values[(bits >> (2 * index)) & 3]]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** The part that each image is in, by dicom_id. */
export async function readSplits(path: string, log: ProblemLog): Promise<Map<string, string>> {
  const splits = new Map<string, string>();
  for await (const { line, get } of readCsv(path, { required: ['dicom_id', 'split'] }, log)) {
    const split = parseSplit(get('split'));
    if (split === 'train' || split === 'validation' || split === 'test') {
      splits.set(ownCopy(get('dicom_id').trim()), split);
    } else {
      const message = `expected train, validate or test as split, found '${get('split')}'`;
      log.add({ kind: 'row', path, line, message });
    }
  }
  return splits;
}

/** A piece of a longer string keeps all of it in memory, here the whole table. */
function ownCopy(text: string): string {
  return Buffer.from(text).toString();
}
