import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Image, type TrainingSample } from '../../src/index.js';
import { sharedData } from './golden.js';

/** Eight real radiographs, or pictures like them where the shared data are not here; with their texts, or one. */
export async function eightRadiographs(text?: string): Promise<TrainingSample[]> {
  const samples = await eightSamples();
  return text === undefined ? samples : samples.map((sample) => ({ ...sample, text }));
}

async function eightSamples(): Promise<TrainingSample[]> {
  const folder = join(sharedData, 'cxr');
  if (!existsSync(folder)) return Array.from({ length: 8 }, (_, n) => madeUp(n));
  const lines = (await readFile(join(folder, 'metadata.jsonl'), 'utf8')).trim().split('\n');
  const records = lines.map((line) => JSON.parse(line));
  const frontal = records.filter(({ source, split }) => source === 'nih' && split === 'train');
  return frontal.slice(0, 8).map(({ file_name, text }) => ({
    image: join(folder, file_name),
    text,
    id: file_name,
  }));
}

/** Two dark fields on grey. */
function madeUp(n: number): TrainingSample {
  const side = 96;
  const pixels = Float32Array.from({ length: side * side }, (_, at) => {
    const [y, x] = [Math.floor(at / side) / side - 0.5, (at % side) / side - 0.5];
    const lung = Math.hypot((Math.abs(x) - 0.22) * 2, y) < 0.3 + 0.01 * n;
    return lung ? 0.15 + 0.02 * n : 0.7 - Math.abs(y) / 2;
  });
  const image = Image.fromPixels(pixels, { width: side, height: side, channels: 1 });
  return { image, text: `A photo of a lung x-ray, number ${n}`, id: `made-up-${n}` };
}
