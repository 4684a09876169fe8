import { saveTensors, Tensor } from '../../src/index.js';

/** Shapes of a DenseNet of two blocks of one layer, one channel and 18 labels. */
const convolutions = {
  'features.conv0': [8, 1, 7, 7],
  'features.denseblock1.denselayer1.conv1': [8, 8, 1, 1],
  'features.denseblock1.denselayer1.conv2': [4, 8, 3, 3],
  'features.transition1.conv': [6, 12, 1, 1],
  'features.denseblock2.denselayer1.conv1': [8, 6, 1, 1],
  'features.denseblock2.denselayer1.conv2': [4, 8, 3, 3],
  classifier: [18, 10],
};
const norms = {
  'features.norm0': 8,
  'features.denseblock1.denselayer1.norm1': 8,
  'features.denseblock1.denselayer1.norm2': 8,
  'features.transition1.norm': 12,
  'features.denseblock2.denselayer1.norm1': 6,
  'features.denseblock2.denselayer1.norm2': 8,
  'features.norm5': 10,
};

/** Writes the weights of a classifier in torchxrayvision's layout that computes in no time. */
export async function writeTinyDenseNet(path: string): Promise<void> {
  const tensors: Record<string, Tensor> = {
    'classifier.bias': Tensor.zeros([18]),
    op_threshs: Tensor.full([18], 0.3),
  };
  for (const [seed, [name, shape]] of Object.entries(convolutions).entries()) {
    tensors[`${name}.weight`] = await (await Tensor.randn(shape, { seed })).mul(0.3);
  }
  for (const [name, width] of Object.entries(norms)) {
    tensors[`${name}.weight`] = Tensor.ones([width]);
    tensors[`${name}.bias`] = Tensor.zeros([width]);
    tensors[`${name}.running_mean`] = Tensor.zeros([width]);
    tensors[`${name}.running_var`] = Tensor.ones([width]);
    tensors[`${name}.num_batches_tracked`] = Tensor.zeros([], { dtype: 'int64' });
  }
  await saveTensors(path, tensors);
}
