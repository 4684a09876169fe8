// A folder of one source's radiographs, in which each record says of every label of that source whether it is there:
// what the augmentation experiment reads. Its test split is the data's validation and test split together: nothing in
// the experiment is chosen by either, and more images make narrower intervals.
//
//   node bench/augmentation/source-folder.mjs DATA OUT --source nih
//
// DATA is the folder with metadata.jsonl; OUT gets links to the images, and a metadata.jsonl.
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { source: { type: 'string' } },
});
const [data, out] = positionals;
if (!data || !out || !values.source) {
  throw new Error('usage: node bench/augmentation/source-folder.mjs DATA OUT --source NAME');
}

const rows = readFileSync(join(data, 'metadata.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
  .filter(({ source }) => source === values.source);
if (rows.length === 0) throw new Error(`${data} has no images of ${values.source}`);
const names = [...new Set(rows.flatMap(({ labels }) => labels))].sort();

for (const { file_name } of rows) {
  const to = join(out, file_name);
  mkdirSync(dirname(to), { recursive: true });
  rmSync(to, { force: true });
  symlinkSync(resolve(data, file_name), to);
}
const lines = rows.map(({ file_name, text, split, labels, normal, view, sex, age, patient_id }) =>
  JSON.stringify({
    ...{ file_name, text, view, sex, age, patient_id },
    split: split === 'train' ? 'train' : 'test',
    labels: {
      'No Finding': normal ? 1 : 0,
      ...Object.fromEntries(names.map((name) => [name, labels.includes(name) ? 1 : 0])),
    },
  }),
);
writeFileSync(join(out, 'metadata.jsonl'), `${lines.join('\n')}\n`);
console.error(`${rows.length} images of ${values.source}, labels ${names.join(', ')}`);
