// A model folder with small random weights: what a benchmark computes does not depend on their values.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { saveTensors, Tensor } from 'latentray';

/** Writes config.json and the weights of these names and shapes; a folder that has them is left as it is. */
export async function makeRandomModel(
  folder,
  config,
  shapes,
  fileName = 'diffusion_pytorch_model.safetensors',
) {
  const file = join(folder, fileName);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  if (existsSync(file)) return;
  const tensors = {};
  let seed = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    tensors[name] = await (await Tensor.randn(shape, { seed: seed++ })).mul(0.02);
  }
  await saveTensors(file, tensors, { metadata: { format: 'pt' } });
  for (const tensor of Object.values(tensors)) tensor.dispose();
}
