// What MIT-LCP found in MIMIC-CXR's 227,835 reports (mimic-cxr, txt/section_parser.py; MIT licence,
// © 2019 MIT Laboratory for Computational Physiology): the names
// that headings go by, and the reports that no rule fits.

/** Headings that occur, and the section that each one is. 'ndication' is an impression there, and so here. */
const sectionOfHeading: Readonly<Record<string, readonly string[]>> = {
  preamble: ['preamble'],
  impression: [
    'impression',
    'conclusion',
    'findings and impression',
    'findings/impression',
    'findings/ impression',
    'ndication',
    'impresson',
    'imprression',
    'imoression',
    'impressoin',
    'imprssion',
    'impresion',
    'imperssion',
    'mpression',
    'impession',
  ],
  findings: [
    'findings',
    'chest, two views',
    'finding',
    'findins',
    'findindgs',
    'findgings',
    'findngs',
    'findnings',
    'finidngs',
    'reference findings',
  ],
  comparison: [
    'comparison',
    'comparisons',
    'reference exam',
    'comparison exam',
    'comparison film',
    'comparision',
    'comparsion',
    'comparrison',
    'comparisions',
  ],
  indication: [
    'indication',
    'reason for examination',
    'reason for exam',
    'clinical indication',
    'idication',
  ],
  examination: ['examination', 'exam', 'type of examination'],
  history: ['history', 'clinical history', 'clinical information', 'patient history', 'pfi'],
  technique: ['technique'],
  notification: ['notification'],
  recommendations: ['recommendation(s)', 'recommendations', 'recommendation'],
  addendum: ['addendum'],
  date: ['date'],
  comment: ['comment'],
  'wet read': ['wet read', 'wetread'],
};

const sectionNames = new Map(
  Object.entries(sectionOfHeading).flatMap(([section, headings]) =>
    headings.map((heading) => [heading, section] as const),
  ),
);

/** A heading that holds one of these words is that section; the first that it holds. */
const mainSections = ['impression', 'findings', 'history', 'comparison', 'addendum'];

/** A heading that names the whole study holds its findings. */
const studyTitle =
  /chest|portable|pa and lateral|lateral and pa|ap and lateral|lateral and ap|frontal and|two views|frontal view|pa view|ap view|one view|lateral view|bone window|frontal upright|frontal semi-upright|ribs|pa and lat/;

/** The section that a heading begins; headings that nobody knows keep their own name. */
export function normaliseSectionName(heading: string): string {
  const name = heading.trim().toLowerCase();
  const known = sectionNames.get(name) ?? mainSections.find((section) => name.includes(section));
  if (known !== undefined) return known;
  return studyTitle.test(name) ? 'findings' : name;
}

/** Studies whose conclusion stands under another heading than it should. */
export const conclusionSections: ReadonlyMap<string, string> = new Map([
  ['s50058765', 'indication'],
  ['s50743547', 'examination'],
  ['s50808053', 'technique'],
  ['s50913680', 'recommendations'],
  ['s51491012', 'history'],
  ['s51966317', 'indication'],
  ['s53202765', 'technique'],
  ['s53356173', 'examination'],
  ['s54365831', 'indication'],
  ['s54654948', 'indication'],
  ['s55124749', 'indication'],
  ['s55157853', 'examination'],
  ['s56451190', 'note'],
  ['s56482935', 'recommendations'],
  ['s57936451', 'indication'],
  ['s58157373', 'recommendations'],
  ['s58375018', 'recommendations'],
  ['s59067458', 'recommendations'],
  ['s59087630', 'recommendations'],
  ['s59215320', 'examination'],
  ['s59279892', 'technique'],
  ['s59363654', 'examination'],
  ['s59768032', 'recommendations'],
]);

/** Studies whose conclusion is found by counting characters; [0, 0] where there is no usable text. */
export const conclusionRanges: ReadonlyMap<string, readonly [start: number, end: number]> = new Map(
  [
    ['s50196495', [59, 399]],
    ['s50525523', [201, 349]],
    ['s50798377', [0, 0]],
    ['s51410602', [47, 320]],
    ['s52035334', [0, 0]],
    ['s52119491', [179, 454]],
    ['s52648681', [292, 631]],
    ['s52674888', [145, 296]],
    ['s53071062', [0, 0]],
    ['s53182247', [59, 412]],
    ['s53488209', [149, 475]],
    ['s53514462', [73, 377]],
    ['s53607029', [0, 0]],
    ['s54168089', [0, 0]],
    ['s54231141', [0, 0]],
    ['s54875119', [234, 988]],
    ['s54986978', [59, 306]],
    ['s55258338', [192, 568]],
    ['s56412866', [522, 822]],
    ['s56579911', [59, 218]],
    ['s56724958', [0, 0]],
    ['s56760320', [219, 457]],
    ['s57150433', [61, 394]],
    ['s57564132', [233, 554]],
    ['s58235663', [0, 0]],
    ['s59003148', [262, 505]],
    ['s59330497', [140, 655]],
    ['s59505494', [59, 450]],
    ['s59562049', [158, 348]],
    ['s59889364', [172, 453]],
    ['s59982525', [313, 717]],
  ],
);
