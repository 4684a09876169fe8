import { Tensor } from '../tensor.js';

/** [M, …] → [count, …], each row's copies side by side; `count` is a multiple of M. */
export async function spreadRows(tensor: Tensor, count: number): Promise<Tensor> {
  const [rows = 0, ...rest] = tensor.shape;
  if (rows === count) return tensor;
  const copies = await Tensor.stack(new Array(count / rows).fill(tensor), 1); // [M, count / M, …]
  return copies.reshape([count, ...rest]);
}
