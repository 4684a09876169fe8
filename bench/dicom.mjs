// Milliseconds to the stored values of each DICOM file of a folder, one file at a time, alternately with pydicom
// where PYTHON has it. The best of the rounds; files are in the page cache after the first.
//
//   node bench/dicom.mjs --files <folder> [--rounds 5]
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readDicom } from 'latentray';
import { startPython } from './peers/start-python.mjs';

const { values } = parseArgs({
  options: { files: { type: 'string' }, rounds: { type: 'string', default: '5' } },
});
if (!values.files) throw new Error('--files: expected a folder with .dcm files');
const files = readdirSync(values.files).filter((name) => name.endsWith('.dcm'));
const pydicom = await startPython('pydicom_decode.py', []);
for (const file of files) console.log(JSON.stringify(await compare(file)));
pydicom?.end();

async function compare(file) {
  const path = join(values.files, file);
  let ours = Infinity;
  let theirs = Infinity;
  let same;
  for (let round = 0; round < Number(values.rounds); ++round) {
    const startedAt = performance.now();
    const image = await readDicom(path, { values: 'stored' });
    ours = Math.min(ours, performance.now() - startedAt);
    const peer = await pydicom?.ask(path);
    if (peer?.seconds === undefined) continue;
    theirs = Math.min(theirs, peer.seconds * 1000);
    same = image.pixels.reduce((sum, value) => sum + value, 0) === peer.sum;
  }
  const { width, height, transferSyntax } = await readDicom(path, { values: 'stored' });
  const summary = { file, width, height, transferSyntax, milliseconds: rounded(ours) };
  if (theirs === Infinity) return summary;
  return { ...summary, pydicom: rounded(theirs), ratio: rounded(ours / theirs), same };
}

function rounded(value) {
  return Number(value.toPrecision(3));
}
