// What the default model learns to read: three captions for each radiograph of the data set, from its metadata
// alone, so that the words of a request matter and not their order.
//
//   node models/recipe/captions.mjs DATA OUT [--split train]
//
// DATA is the folder with metadata.jsonl; OUT gets the images (hard links) and a metadata.jsonl with a line for
// each caption.
import { copyFileSync, linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { split: { type: 'string', default: 'train' } },
});
const [data, out] = positionals;
if (!data || !out) throw new Error('usage: node models/recipe/captions.mjs DATA OUT [--split train]');

const rows = readFileSync(join(data, 'metadata.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
  .filter(({ split }) => split === values.split);

for (const { file_name } of rows) place(join(data, file_name), join(out, file_name));
const lines = rows.flatMap((row) =>
  captions(row).map((text, number) => ({
    file_name: row.file_name,
    id: `${row.file_name}#${number}`,
    text,
    labels: row.labels,
  })),
);
writeFileSync(join(out, 'metadata.jsonl'), `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
console.error(`${rows.length} images, ${lines.length} captions in ${out}`);

function place(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  try {
    linkSync(from, to);
  } catch (error) {
    if (error.code === 'EXDEV') copyFileSync(from, to);
    else if (error.code !== 'EEXIST') throw error;
  }
}

function captions(row) {
  const finding = findings(row);
  const visible = finding ? `with a visible ${finding}` : 'with no finding';
  const child = row.source === 'kermany' ? 'pediatric ' : '';
  return [
    row.text,
    `A photo of a ${child}lung x-ray ${visible}.`,
    `Frontal ${child}chest radiograph of ${person(row)}, ${row.view}: ${finding || 'normal'}.`,
  ];
}

function findings({ labels, normal }) {
  if (normal) return '';
  const words = labels.map((label) => label.toLowerCase().replaceAll('_', ' '));
  return words.map((word) => (word === 'effusion' ? 'pleural effusion' : word)).join(' and ');
}

function person({ source, sex, age }) {
  if (source === 'kermany') return 'a child';
  const noun = { M: 'man', F: 'woman' }[sex] ?? 'person';
  if (age === null) return `a ${noun}`;
  if (age < 18) return 'a child';
  if (age < 40) return `a young ${noun}`;
  return age < 65 ? `a middle-aged ${noun}` : `an elderly ${noun}`;
}
