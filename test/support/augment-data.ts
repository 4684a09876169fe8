import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Image } from '../../src/index.js';

/** Real images that are none: a bright field on grey, whose place and size are the label's and the number's. */
export function fieldImage(label: string, n: number, side = 64): Image {
  const left = label === 'Edema';
  const pixels = Float32Array.from({ length: side * side }, (_, at) => {
    const [y, x] = [Math.floor(at / side) / side, (at % side) / side];
    const distance = Math.hypot(x - (left ? 0.3 : 0.7) - 0.01 * n, y - 0.3 - 0.03 * n);
    return distance < 0.2 ? 0.9 - 0.02 * n : 0.3 + 0.2 * y;
  });
  return Image.fromPixels(pixels, { width: side, height: side, channels: 1 });
}

export interface RealRow {
  readonly image?: Image;
  readonly text?: string;
  readonly labels: readonly string[] | Readonly<Record<string, number>>;
  readonly split?: string;
  readonly patient_id?: string;
  readonly [column: string]: unknown;
}

/** Writes a folder of real images with metadata.jsonl. */
export async function writeRealFolder(folder: string, rows: readonly RealRow[]): Promise<string> {
  await mkdir(folder, { recursive: true });
  const lines: string[] = [];
  for (const [n, { image, ...row }] of rows.entries()) {
    const name = `real-${n}.png`;
    const label = Array.isArray(row.labels) ? row.labels[0] : Object.keys(row.labels)[0];
    await (image ?? fieldImage(label, n)).save(join(folder, name));
    lines.push(JSON.stringify({ file_name: name, patient_id: `p${n}`, ...row }));
  }
  await writeFile(join(folder, 'metadata.jsonl'), `${lines.join('\n')}\n`);
  return folder;
}

/** Three of one label, one of another, one that is not for training. */
export function smallRealFolder(folder: string): Promise<string> {
  const about = { sex: 'F', age: 50, view: 'PA' };
  return writeRealFolder(folder, [
    { labels: ['Edema'], text: 'Edema, first.', ...about },
    { labels: ['Edema'], text: 'Edema, second.', ...about },
    { labels: ['Edema'], text: 'Edema, third.', sex: 'M', age: 61, view: 'AP' },
    { labels: ['Mass'], text: 'A mass.', ...about },
    { labels: ['Hernia'], text: 'A hernia.', split: 'test', ...about },
  ]);
}

export interface SetRow {
  readonly file_name: string;
  readonly text: string;
  readonly labels: Readonly<Record<string, number | null>>;
  readonly class: string;
  readonly seed: number;
  readonly attempt: number;
  readonly [column: string]: unknown;
}

/** The rows of a set's metadata.jsonl. */
export async function readSet(out: string): Promise<SetRow[]> {
  const text = await readFile(join(out, 'metadata.jsonl'), 'utf8');
  return text
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** Everything that two runs of the same set have alike, byte for byte. */
export async function setBytes(out: string): Promise<Record<string, string>> {
  const entries = await readdir(out, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && /\.png$|metadata\.jsonl$/.test(entry.name))
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
  const bytes = files.map(
    async (file) => [file.slice(out.length), (await readFile(file)).toString('base64')] as const,
  );
  return Object.fromEntries(await Promise.all(bytes));
}
