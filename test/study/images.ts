import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Classifier, Dataset, Image } from '../../src/index.js';

/** A folder of made-up radiographs, each of a patient of its own; a third is lateral. */
export async function madeUpDataset(folder: string, count: number, name = 'a'): Promise<Dataset> {
  await mkdir(folder, { recursive: true });
  const lines: string[] = [];
  for (let n = 0; n < count; ++n) {
    const file = `${n}.png`;
    await picture(n).save(join(folder, file));
    lines.push(
      JSON.stringify({
        file_name: file,
        text: `Frontal radiograph ${n}.`,
        view: n % 3 === 2 ? 'lateral' : 'PA',
        patient_id: `${name}-${n}`,
        labels: n % 2 ? ['Effusion'] : [],
      }),
    );
  }
  await writeFile(join(folder, 'metadata.jsonl'), `${lines.join('\n')}\n`);
  return Dataset.folder(folder);
}

/** Two dark fields on grey, of another width each. */
function picture(n: number): Image {
  const side = 64;
  const pixels = Float32Array.from({ length: side * side }, (_, at) => {
    const [y, x] = [Math.floor(at / side) / side - 0.5, (at % side) / side - 0.5];
    const lung = Math.hypot((Math.abs(x) - 0.22) * 2, y) < 0.28 + 0.01 * (n % 7);
    return (lung ? 0.2 : 0.7) + 0.1 * Math.sin(n + 40 * x * y);
  });
  return Image.fromPixels(pixels, { width: side, height: side, channels: 1 });
}

/** Writes a classifier that has learned nothing. */
export async function untrainedClassifier(folder: string): Promise<string> {
  const small = { image_size: 32, embedding_size: 4, hidden_sizes: [4], depths: [1] };
  using classifier = await Classifier.create({ labels: ['Effusion', 'Mass'], ...small });
  await classifier.save(folder);
  return folder;
}
