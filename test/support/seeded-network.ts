import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { saveTensors, Tensor } from '../../src/index.js';
import type { Case } from './golden.js';

/** Writes the weights that a case of golden/networks describes: a name, a seed, a tensor. */
export async function seededWeights(
  { metadata }: Case,
  extra: Record<string, Tensor> = {},
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'latentray-network-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const shapes: Record<string, number[]> = JSON.parse(metadata.parameters ?? '');
  const tensors: Record<string, Tensor> = { ...extra };
  for (const [name, shape] of Object.entries(shapes)) {
    tensors[name] = await parameter(name, shape, Number(metadata.salt));
  }
  const path = join(folder, 'network.safetensors');
  await saveTensors(path, tensors);
  return path;
}

async function parameter(name: string, shape: number[], salt: number): Promise<Tensor> {
  if (name.endsWith('num_batches_tracked')) return Tensor.zeros([], { dtype: 'int64' });
  const seed = (crc32(name) + salt) % 2 ** 31;
  if (name.endsWith('running_var')) {
    return Tensor.from(
      uniform(seed, shape[0] ?? 0).map((value) => 0.5 + value),
      { shape },
    );
  }
  const noise = await Tensor.randn(shape, { seed });
  if (name.endsWith('running_mean')) return noise.mul(0.1);
  if (shape.length === 1) {
    const small = await noise.mul(0.1);
    return name.endsWith('weight') ? small.add(1) : small;
  }
  const inputs = shape.slice(1).reduce((product, size) => product * size, 1);
  return noise.mul(Math.sqrt(2 / inputs));
}

/** What torch.rand draws: the lower 24 bits of a Mersenne twister's words. */
function uniform(seed: number, count: number): Float32Array {
  const next = mersenneTwister(seed);
  return Float32Array.from({ length: count }, () => (next() & 0xffffff) / 2 ** 24);
}

/** Matsumoto and Nishimura's MT19937. */
function mersenneTwister(seed: number): () => number {
  const [size, shift] = [624, 397];
  const state = new Uint32Array(size);
  state[0] = seed;
  const word = (i: number) => state[i % size] as number;
  for (let i = 1; i < size; ++i) {
    state[i] = Math.imul(1812433253, word(i - 1) ^ (word(i - 1) >>> 30)) + i;
  }
  let index = size;
  const twist = () => {
    for (let i = 0; i < size; ++i) {
      const joint = (word(i) & 0x80000000) | (word(i + 1) & 0x7fffffff);
      state[i] = word(i + shift) ^ (joint >>> 1) ^ (joint & 1 ? 0x9908b0df : 0);
    }
    index = 0;
  };
  return () => {
    if (index === size) twist();
    let y = word(index++);
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}
