import { Pipeline } from '../../src/index.js';
import { goldenPath } from './golden.js';

/** The small pipeline of the reference cases. */
export function loadTinyPipeline(options?: Parameters<typeof Pipeline.load>[1]): Promise<Pipeline> {
  return Pipeline.load(goldenPath('tiny-sd1/model'), options);
}

/** The quickest useful run. */
export const quick = {
  prompt: 'A photo of a lung x-ray',
  steps: 2,
  seed: 1,
  width: 64,
  height: 64,
};
