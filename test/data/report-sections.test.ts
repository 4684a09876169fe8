import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  conclusionRanges,
  conclusionSections,
  normaliseSectionName,
} from '../../src/data/mimic-section-names.js';
import { parseReport } from '../../src/index.js';
import { packageRoot } from '../../src/native/package-root.js';

interface SectionCase {
  readonly name: string;
  readonly text: string;
  readonly sections: Readonly<Record<string, string>>;
  readonly conclusion: string;
}

// What MIT-LCP's section_parser.py and create_section_files.py make of texts that were written for this test.
const cases: SectionCase[] = JSON.parse(
  readFileSync(join(packageRoot, 'test/data/section-cases.json'), 'utf8'),
);

for (const { name, text, sections, conclusion } of cases) {
  t.test(`as MIT-LCP's parser: ${name}`, async (t) => {
    t.same(parseReport(text), { conclusion, sections });
    t.same(parseReport(text.replaceAll('\n', '\r\n')), { conclusion, sections }, 'other line ends');
  });
}

t.test('31 studies whose conclusion is a range of characters', async (t) => {
  t.equal(conclusionRanges.size, 31);
  const text = ' IMPRESSION:  x\n'.repeat(80);
  t.equal(parseReport(text, 's50525523').conclusion, text.slice(201, 349).trim());
  t.equal(parseReport(text, 's54875119').conclusion, text.slice(234, 988).trim());
  t.same(parseReport(text, 's52035334'), { conclusion: '', sections: {} }, 'no usable text');
  t.equal(
    [...conclusionRanges.values()].filter(([start, end]) => start === 0 && end === 0).length,
    8,
  );
});

t.test('23 studies whose conclusion stands under another heading', async (t) => {
  t.equal(conclusionSections.size, 23);
  const text = '\n RECOMMENDATION(S):  Repeat.\n \n IMPRESSION:  Clear.\n';
  t.equal(parseReport(text, 's50913680').conclusion, 'Repeat.');
  t.equal(parseReport(text, 's50000000').conclusion, 'Clear.');
  t.equal(parseReport(text, 's59363654').conclusion, 'Clear.', 'its section is not there');
});

t.test('names of headings', async (t) => {
  const expected = {
    ' Comparisons ': 'comparison',
    'REASON FOR EXAMINATION': 'indication',
    'CLINICAL INFORMATION': 'history',
    PFI: 'history',
    NDICATION: 'impression',
    IMPERSSION: 'impression',
    FINDGINGS: 'findings',
    'FINDINGS/ IMPRESSION': 'impression',
    'FINDINGS (AND IMPRESSION)': 'impression',
    'OLD FINDINGS AND HISTORY': 'findings',
    'AP AND LATERAL VIEWS OF THE THORAX': 'findings',
    'FRONTAL SEMI-UPRIGHT': 'findings',
    'RIBS, LEFT': 'findings',
    WETREAD: 'wet read',
    'TYPE OF EXAMINATION': 'examination',
    'SOMETHING ELSE': 'something else',
  };
  for (const [heading, section] of Object.entries(expected)) {
    t.equal(normaliseSectionName(heading), section, heading);
  }
});

t.test('a hostile report takes no time', async (t) => {
  const start = performance.now();
  for (const piece of ['\n A', '\n ', ' \n', '\n (', ':\n ', '\n \n'])
    parseReport(piece.repeat(300_000));
  t.ok(performance.now() - start < 5000);
});
