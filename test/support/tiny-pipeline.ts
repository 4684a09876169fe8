import { Pipeline } from '../../src/index.js';
import { recipeFolder } from './recipe.js';

/** The folder of a small pipeline that is always here. */
export function tinyPipelineFolder(): Promise<string> {
  return recipeFolder('recipe-sd1');
}

export async function loadTinyPipeline(
  options?: Parameters<typeof Pipeline.load>[1],
): Promise<Pipeline> {
  return Pipeline.load(await tinyPipelineFolder(), options);
}

/** The quickest useful run. */
export const quick = {
  prompt: 'A photo of a lung x-ray',
  steps: 2,
  seed: 1,
  width: 64,
  height: 64,
};
