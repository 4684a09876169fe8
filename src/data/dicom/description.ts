import type { DataSet } from './data-set.js';

/** What a file says of its image and of nobody in particular. */
export interface DicomDescription {
  /** CR, DX, MG … */
  readonly modality: string | undefined;
  readonly bodyPart: string | undefined;
  /** PA, AP, LATERAL, LL … as ViewPosition has it, or else the code of the view. */
  readonly view: string | undefined;
  /** R, L, B (both) or U (unpaired). */
  readonly laterality: string | undefined;
  /** Whether somebody's name may be written in the pixels; undefined where the file does not say. */
  readonly burnedInAnnotation: boolean | undefined;
  /** Between the centres of rows and of columns, in millimetres; at the detector unless the file is calibrated. */
  readonly pixelSpacing: readonly [rows: number, columns: number] | undefined;
  /** Height of a pixel divided by its width. */
  readonly pixelAspect: number;
}

const views: Readonly<Record<string, string>> = {
  'postero-anterior': 'PA',
  'antero-posterior': 'AP',
  'left lateral': 'LL',
  'right lateral': 'RL',
  lateral: 'LATERAL',
};

const identifyingTags = {
  patientName: 0x00100010,
  patientId: 0x00100020,
  patientBirthDate: 0x00100030,
  patientSex: 0x00100040,
  patientAge: 0x00101010,
  accessionNumber: 0x00080050,
  studyDate: 0x00080020,
  studyTime: 0x00080030,
  institutionName: 0x00080080,
  referringPhysicianName: 0x00080090,
  studyDescription: 0x00081030,
  studyInstanceUid: 0x0020000d,
  seriesInstanceUid: 0x0020000e,
  sopInstanceUid: 0x00080018,
} as const;

/** Who and what the image shows. Bytes beyond ASCII are read as Latin-1. */
export type DicomIdentifiers = { readonly [Name in keyof typeof identifyingTags]?: string };

export function describe(dataSet: DataSet): DicomDescription {
  const burned = dataSet.code(0x00280301);
  const pixelSpacing = lengths(dataSet, 0x00280030) ?? lengths(dataSet, 0x00181164);
  const [vertical, horizontal] = pixelSpacing ?? lengths(dataSet, 0x00280034) ?? [1, 1];
  return {
    modality: dataSet.code(0x00080060),
    bodyPart: dataSet.code(0x00180015),
    view: dataSet.code(0x00185101) ?? codedView(dataSet),
    laterality: dataSet.code(0x00200062) ?? dataSet.code(0x00200060),
    burnedInAnnotation: burned === 'YES' ? true : burned === 'NO' ? false : undefined,
    pixelSpacing,
    pixelAspect: vertical / horizontal,
  };
}

export function identifiersOf(dataSet: DataSet): DicomIdentifiers {
  const found = Object.entries(identifyingTags).map(([name, tag]) => [name, dataSet.text(tag)]);
  return Object.fromEntries(found.filter(([, value]) => value !== undefined));
}

/** ViewCodeSequence's meaning, where it is one that is known: it is free text. */
function codedView(dataSet: DataSet): string | undefined {
  const meaning = dataSet.items(0x00540220)[0]?.text(0x00080104)?.toLowerCase() ?? '';
  return Object.hasOwn(views, meaning) ? views[meaning] : undefined;
}

/** Two lengths; undefined where they are absent or make no sense. */
function lengths(dataSet: DataSet, tag: number): [number, number] | undefined {
  const [rows = 0, columns = 0] = dataSet.decimals(tag);
  return rows > 0 && columns > 0 && Number.isFinite(rows / columns) ? [rows, columns] : undefined;
}
