// Small data sets in the layouts of the published ones; every name, number and sentence in them is made up.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Test } from 'tap';
import { type Dataset, type DatasetProblem, type DatasetRecord, Image } from '../../src/index.js';

type Content = string | Buffer;

/** Writes files below a new folder, and returns it. Names that end in .gz are compressed. */
export function writeTree(t: Test, files: Readonly<Record<string, Content>>): string {
  return writeFiles(t.testdir(), files);
}

/** Writes files below a folder that is there. */
export function writeFiles(root: string, files: Readonly<Record<string, Content>>): string {
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, name.endsWith('.gz') ? gzipSync(content) : content);
  }
  return root;
}

const grey = new Image({ width: 8, height: 6, channels: 1, data: new Uint8Array(48).fill(90) });
export const png = await grey.toBuffer('png');
export const jpeg = await grey.toBuffer('jpeg');

/** All records. */
export async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** A record's texts, in order. */
export async function texts(dataset: Dataset): Promise<string[]> {
  return (await all(dataset)).map(({ text }) => text);
}

/** Where problems are kept, without the folder's own path. */
export function listener(root: string) {
  const problems: DatasetProblem[] = [];
  return {
    problems,
    onProblem: (problem: DatasetProblem) => problems.push(problem),
    places: () =>
      problems.map(
        ({ kind, path, line }) => `${kind} ${path.slice(root.length + 1)}:${line ?? ''}`,
      ),
  };
}

const chexpertHeader =
  'Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices';

/** CheXpert's, full or small: four images of three patients in train, one in valid. */
export function chexpertTree(t: Test, parent?: string, edit?: (table: string) => string): string {
  return writeTree(t, chexpertFiles(parent, edit));
}

export function chexpertFiles(
  parent = 'CheXpert-v1.0-small',
  edit = (table: string) => table,
): Record<string, Content> {
  const train = [
    chexpertHeader,
    `${parent}/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,,,,,,,,0.0,,,,1.0`,
    `${parent}/train/patient00002/study2/view1_frontal.jpg,Male,0,Frontal,PA,,,-1.0,1.0,,-1.0,,,,0.0,1.0,,,`,
    `${parent}/train/patient00002/study2/view2_lateral.jpg,Male,87,Lateral,,,,-1.0,1.0,,-1.0,,,,0.0,1.0,,,`,
    `${parent}/train/patient00003/study1/view1_frontal.jpg,Unknown,41,Frontal,LL,,,,,,,,,,,,,,`,
  ];
  const valid = [
    chexpertHeader,
    `${parent}/valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP,0.0,1.0,1.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0`,
  ];
  return {
    'train.csv': edit(`${train.join('\n')}\n`),
    'valid.csv': `${valid.join('\n')}\n`,
    'train/patient00001/study1/view1_frontal.jpg': jpeg,
    'train/patient00002/study2/view1_frontal.jpg': jpeg,
    'train/patient00002/study2/view2_lateral.jpg': jpeg,
    'train/patient00003/study1/view1_frontal.jpg': jpeg,
    'valid/patient64541/study1/view1_frontal.jpg': jpeg,
  };
}

const nihHeader =
  'Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]';

export const nihRows = [
  nihHeader,
  '00000001_000.png,Cardiomegaly,0,1,58,M,PA,2682,2749,0.143,0.143',
  '00000001_001.png,Cardiomegaly|Emphysema,1,1,58,M,PA,2894,2729,0.143,0.143',
  '00000002_000.png,No Finding,0,2,081Y,M,AP,2500,2048,0.168,0.168',
  '00000003_000.png,Pleural_Thickening|Infiltration,0,3,411,F,PA,2582,2991,0.143,0.143',
];

/** ChestX-ray14's: four images of three patients, in two of its folders. */
export function nihTree(t: Test, rows: readonly string[] = nihRows, more = {}): string {
  return writeTree(t, {
    'Data_Entry_2017_v2020.csv': `${rows.join('\n')}\n`,
    'images_001/images/00000001_000.png': png,
    'images_001/images/00000001_001.png': png,
    'images_002/images/00000002_000.png': png,
    'images_002/images/00000003_000.png': png,
    ...more,
  });
}

export const mimicIds = {
  first: '02aa804e-bde0afdd-112c0b34-7bc16630-4e384014',
  lateral: '174413ec-4ec4c1f7-34ea26b7-c5f994f8-79ef1962',
  second: '2a2277a9-b0ded155-c0de8eb9-c124d10e-82c5caab',
  third: '68b5c4b1-227d0485-9cc38c3f-7b84ab51-4b472714',
} as const;

const { first, lateral, second, third } = mimicIds;
const mimicLabels =
  'Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices';

/** MIMIC-CXR-JPG's tables: four images in three studies of two patients. */
export const mimicTables = {
  metadata: [
    'dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning',
    `${first},11000001,51000001,CHEST (PA AND LAT),PA,3056,2544,21800506,213014.531,CHEST (PA AND LAT),postero-anterior,Erect`,
    `${lateral},11000001,51000001,CHEST (PA AND LAT),LATERAL,3056,2544,21800506,213014.531,CHEST (PA AND LAT),lateral,Erect`,
    `${second},11000001,51000002,"CHEST, PORTABLE",AP,2544,3056,21800626,165500.312,CHEST (PORTABLE AP),antero-posterior,Recumbent`,
    `${third},12000002,51000003,CHEST (PORTABLE AP),,3056,2544,21800723,80556.875,CHEST (PORTABLE AP),,`,
  ],
  chexpert: [
    `subject_id,study_id,${mimicLabels}`,
    '11000001,51000001,,,,,,,,,1.0,,,,,1.0',
    '11000001,51000002,1.0,-1.0,0.0,,,,,,,,,,,',
  ],
  negbio: [
    `subject_id,study_id,${mimicLabels}`,
    '11000001,51000001,,,,,,,,,1.0,,,,,',
    '11000001,51000002,0.0,,,,,,,,,,,,,',
  ],
  split: [
    'dicom_id,study_id,subject_id,split',
    `${first},51000001,11000001,train`,
    `${lateral},51000001,11000001,train`,
    `${second},51000002,11000001,validate`,
    `${third},51000003,12000002,test`,
  ],
} as const;

type MimicTables = Readonly<Record<keyof typeof mimicTables, readonly string[]>>;

const mimicStudies = {
  [first]: 'files/p11/p11000001/s51000001',
  [lateral]: 'files/p11/p11000001/s51000001',
  [second]: 'files/p11/p11000001/s51000002',
  [third]: 'files/p12/p12000002/s51000003',
} as const;

/** MIMIC-CXR-JPG's folder, its tables ending in `ending`. */
export function mimicJpgTree(
  t: Test,
  ending = '.csv.gz',
  tables: MimicTables = mimicTables,
  more = {},
): string {
  return writeTree(t, {
    ...mimicTableFiles(tables, ending),
    ...mimicImages('.jpg'),
    ...more,
  });
}

export function mimicTableFiles(
  tables: MimicTables,
  ending: string,
  folder = '',
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tables).map(([name, rows]) => [
      `${folder}mimic-cxr-2.0.0-${name}${ending}`,
      `${rows.join('\n')}\n`,
    ]),
  );
}

function mimicImages(extension: string): Record<string, Buffer> {
  return Object.fromEntries(
    Object.entries(mimicStudies).map(([id, study]) => [`${study}/${id}${extension}`, jpeg]),
  );
}

const finalReport = '                                 FINAL REPORT\n';

/** The reports of the three studies: an impression, findings alone, nothing that any rule finds. */
export const mimicReports = {
  'files/p11/p11000001/s51000001.txt': `${finalReport} INDICATION:  Cough.\n \n FINDINGS:  Clear lungs.\n \n IMPRESSION:  No acute\n process.\n`,
  'files/p11/p11000001/s51000002.txt': `${finalReport} FINDINGS:  Left basal atelectasis.\n`,
  'files/p12/p12000002/s51000003.txt': `${finalReport} INDICATION:  Fever.\n`,
};

/** MIMIC-CXR's folder: DICOM files, reports, the list of records; and its tables in `tables/`. */
export function mimicDicomTree(t: Test, extension?: string): string {
  return writeTree(t, mimicDicomFiles(extension));
}

export function mimicDicomFiles(extension = '.dcm'): Record<string, Content> {
  const list = Object.entries(mimicStudies).map(([id, study]) => {
    const [, , patient = '', name = ''] = study.split('/');
    return `${patient.slice(1)},${name.slice(1)},${id},${study}/${id}.dcm`;
  });
  return {
    'cxr-record-list.csv.gz': ['subject_id,study_id,dicom_id,path', ...list, ''].join('\n'),
    ...mimicImages(extension),
    ...mimicReports,
    ...mimicTableFiles(mimicTables, '.csv', 'tables/'),
  };
}

/** One of Open-i's XML files. */
export function openIReport(
  number: number,
  {
    sections = {},
    major = ['normal'],
    automatic = [],
    images = [],
  }: {
    readonly sections?: Readonly<Record<string, string>>;
    readonly major?: readonly string[];
    readonly automatic?: readonly string[];
    readonly images?: readonly string[];
  },
): string {
  const texts = Object.entries(sections).map(
    ([label, text]) => `         <AbstractText Label="${label}">${text}</AbstractText>`,
  );
  const terms = [
    ...major.map((term) => `      <major>${term}</major>`),
    ...automatic.map((term) => `      <automatic>${term}</automatic>`),
  ];
  const parents = images.map(
    (id) =>
      `   <parentImage id="${id}">\n      <caption>Xray Chest PA and Lateral</caption>\n   </parentImage>`,
  );
  return `<?xml version="1.0" encoding="utf-8"?>
<eCitation>
   <uId id="CXR${number}"/>
   <MedlineCitation Owner="x">
      <Article>
         <Abstract>
${texts.join('\n')}
         </Abstract>
      </Article>
   </MedlineCitation>
   <MeSH>
${terms.join('\n')}
   </MeSH>
${parents.join('\n')}
</eCitation>
`;
}

/** Open-i's folders: three reports, the first with two images, the last with none. */
export function openITree(t: Test, more = {}): string {
  return writeTree(t, {
    'ecgen-radiology/1.xml': openIReport(1, {
      sections: {
        COMPARISON: 'None.',
        INDICATION: '',
        FINDINGS: 'Heart size is normal &amp; lungs are clear.',
        IMPRESSION: 'No acute   disease.',
      },
      images: ['CXR1_1_IM-0001-3001', 'CXR1_1_IM-0001-4001'],
    }),
    'ecgen-radiology/2.xml': openIReport(2, {
      sections: { FINDINGS: 'Base atelectasis.' },
      major: ['Pulmonary Atelectasis/base/left'],
      automatic: ['Pulmonary Atelectases', 'infiltrate', 'pleural thickening', 'cardiomegaly'],
      images: ['CXR2_IM-0652-1001'],
    }),
    'ecgen-radiology/10.xml': openIReport(10, { sections: { IMPRESSION: 'No image.' } }),
    'NLMCXR_png/CXR1_1_IM-0001-3001.png': png,
    'NLMCXR_png/CXR1_1_IM-0001-4001.png': png,
    'NLMCXR_png/CXR2_IM-0652-1001.png': png,
    ...more,
  });
}

/** Everything that a record says, as text: what must not be in it can be looked for. */
export function written({ image, ...record }: DatasetRecord): string {
  return JSON.stringify(record);
}
