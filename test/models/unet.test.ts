import { join } from 'node:path';
import t from 'tap';
import { Tensor, UNet } from '../../src/index.js';
import { type Case, pipelines, relativeError, tensor } from '../support/golden.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

async function predict(unet: UNet, inputs: Case): Promise<Tensor> {
  const timestep = [...tensor(inputs, 'timestep').data()].map(Number);
  const encoderAttentionMask = inputs.tensors.encoder_attention_mask;
  return unet.forward({
    sample: tensor(inputs, 'sample'),
    timestep,
    encoderHiddenStates: tensor(inputs, 'encoder_hidden_states'),
    ...(encoderAttentionMask && { encoderAttentionMask }),
  });
}

for (const model of pipelines) {
  t.test(`${model.name}: the U-Net equals diffusers`, { skip: model.skip }, async (t) => {
    using unet = await UNet.load(join(await model.folder(), 'unet'));
    for (const name of ['square', 'odd', 'mixed_t', 'masked']) {
      const inputs = await model.case(`unet_${name}`);
      const error = await relativeError(await predict(unet, inputs), tensor(inputs, 'output'));
      t.ok(error <= 1e-5, `${name}: ${error}`);
    }
  });

  t.test(`${model.name}: half precision stays near float32`, { skip: model.skip }, async (t) => {
    const inputs = await model.case('unet_square');
    for (const dtype of ['bfloat16', 'float16'] as const) {
      using unet = await UNet.load(join(await model.folder(), 'unet'), { dtype });
      t.equal(unet.dtype, dtype);
      const half: Case = { tensors: { timestep: tensor(inputs, 'timestep') }, metadata: {} };
      for (const name of ['sample', 'encoder_hidden_states']) {
        half.tensors[name] = await tensor(inputs, name).to({ dtype });
      }
      const error = await relativeError(await predict(unet, half), tensor(inputs, 'output'));
      t.ok(error <= 2e-2, `${dtype}: ${error}`);
    }
  });
}

for (const model of pipelines.filter(({ name }) => name.endsWith('sd1'))) {
  t.test(`${model.name}: a sharded checkpoint is one model`, { skip: model.skip }, async (t) => {
    using unet = await UNet.load(await model.sharded());
    const inputs = await model.case('unet_square');
    const error = await relativeError(await predict(unet, inputs), tensor(inputs, 'output'));
    t.ok(error <= 1e-5, String(error));
  });
}

t.test('what does not fit is named', async (t) => {
  using unet = await UNet.load(join(await tinyPipelineFolder(), 'unet'));
  const fits = {
    sample: Tensor.zeros([1, 4, 16, 16]),
    timestep: 1,
    encoderHiddenStates: Tensor.zeros([1, 77, 32]),
  };
  await t.rejects(unet.forward({ ...fits, sample: Tensor.zeros([1, 3, 16, 16]) }), {
    code: 'ERR_SHAPE',
    message: /sample/,
  });
  await t.rejects(unet.forward({ ...fits, encoderHiddenStates: Tensor.zeros([1, 77, 48]) }), {
    code: 'ERR_SHAPE',
    message: /48.*32|32.*48/s,
  });
  await t.rejects(unet.forward({ ...fits, timestep: [1, 2, 3] }), { code: 'ERR_SHAPE' });
  await t.rejects(unet.forward({ ...fits, timestep: Number.NaN }), { code: 'ERR_INVALID_ARG' });
  await t.rejects(unet.forward({ ...fits, sample: {} as Tensor }), { code: 'ERR_INVALID_ARG' });
  unet.dispose();
  await t.rejects(unet.forward(fits), { code: 'ERR_DISPOSED' });
});

t.test('a model that cannot be loaded says why', async (t) => {
  const folder = await tinyPipelineFolder();
  await t.rejects(UNet.load('/nowhere'), { code: 'ERR_MODEL_NOT_FOUND', message: /config\.json/ });
  await t.rejects(UNet.load(join(folder, 'vae')), { code: /ERR_(CONFIG|WEIGHTS)/ });
  await t.rejects(UNet.load(join(folder, 'unet'), { device: 'tpu' }), {
    code: 'ERR_DEVICE_UNAVAILABLE',
  });
});
