import { join } from 'node:path';
import t from 'tap';
import { readEnvironment } from '../src/environment.js';
import {
  Autoencoder,
  ControlNet,
  contactSheet,
  fitImage,
  Image,
  loadTensors,
  NoiseSource,
  Pipeline,
  readProvenance,
  reconstruct,
  SafetyChecker,
  Scheduler,
  saveTensors,
  setThreads,
  Tensor,
  TextEncoder,
  TextProjection,
  UNet,
} from '../src/index.js';
import { tinyPipelineFolder } from './support/tiny-pipeline.js';

const misspelt = { sginal: undefined, extra: 1 } as never;
const ignored = { code: 'ERR_INVALID_ARG', message: /sginal|extra/ };

t.test('a misspelt option is an error and not ignored', async (t) => {
  const folder = await tinyPipelineFolder();
  const x = Tensor.zeros([1, 4, 8, 8]);
  using unet = await UNet.load(join(folder, 'unet'));
  using vae = await Autoencoder.load(join(folder, 'vae'));
  using scheduler = Scheduler.create('ddim');
  scheduler.setTimesteps(2);
  using noise = new NoiseSource(1);
  const image = new Image({ width: 8, height: 8, channels: 1, data: new Uint8Array(64) });
  const inputs = { sample: x, timestep: 1, encoderHiddenStates: Tensor.zeros([1, 77, 32]) };
  const { sample } = await vae.encode(Tensor.zeros([1, 3, 16, 16]));

  t.throws(() => Tensor.from([1], misspelt), ignored);
  t.throws(() => Tensor.zeros([1], misspelt), ignored);
  t.throws(() => Tensor.ones([1], misspelt), ignored);
  t.throws(() => Tensor.full([1], 2, misspelt), ignored);
  const calls: Record<string, () => Promise<unknown>> = {
    randn: () => Tensor.randn([1], misspelt),
    'NoiseSource.randn': () => noise.randn([1], misspelt),
    to: () => x.to(misspelt),
    add: () => x.add(1, misspelt),
    softmax: () => x.softmax(0, misspelt),
    cat: () => Tensor.cat([x], 0, misspelt),
    loadTensors: () => loadTensors('none', misspelt),
    saveTensors: () => saveTensors('none', {}, misspelt),
    'UNet.load': () => UNet.load(folder, misspelt),
    'TextEncoder.load': () => TextEncoder.load(folder, misspelt),
    'TextProjection.load': () => TextProjection.load(folder, misspelt),
    'ControlNet.load': () => ControlNet.load(folder, misspelt),
    'SafetyChecker.load': () => SafetyChecker.load(folder, misspelt),
    'UNet.forward': () => unet.forward(inputs, misspelt),
    'inputs of UNet.forward': () => unet.forward({ ...inputs, ...(misspelt as object) }),
    'Autoencoder.load': () => Autoencoder.load(folder, misspelt),
    encode: () => vae.encode(x, misspelt),
    decode: () => vae.decode(x, misspelt),
    decodeScaled: () => vae.decodeScaled(x, misspelt),
    scale: () => vae.scale(x, misspelt),
    sample: () => sample(1, misspelt),
    'Scheduler.step': () => scheduler.step(x, 0, x, misspelt),
    scaleModelInput: () => scheduler.scaleModelInput(x, 0, misspelt),
    addNoise: () => scheduler.addNoise(x, x, 1, misspelt),
    velocity: () => scheduler.velocity(x, x, 1, misspelt),
    'Pipeline.load': () => Pipeline.load(folder, misspelt),
    reconstruct: () => reconstruct(vae, [image], misspelt),
    'Image.read': () => Image.read('none.png', misspelt),
    'image.save': () => image.save('none.png', misspelt),
    readProvenance: () => readProvenance('none.png', misspelt),
    fitImage: () => fitImage(image, { width: 8, height: 8, ...(misspelt as object) }),
    contactSheet: () =>
      contactSheet({
        columns: ['a'],
        rows: [{ label: 'a', images: [image] }],
        ...(misspelt as object),
      }),
  };
  for (const [name, call] of Object.entries(calls)) await t.rejects(call(), ignored, name);
});

t.test('an option of another type is named', async (t) => {
  const folder = await tinyPipelineFolder();
  const x = Tensor.zeros([1]);
  const wrong: [() => Promise<unknown>, RegExp][] = [
    [() => UNet.load(join(folder, 'unet'), { device: 1 as never }), /device/],
    [() => Autoencoder.load(join(folder, 'vae'), { dtype: 32 as never }), /dtype/],
    [() => Pipeline.load(folder, { unet: {} as never }), /unet: expected a folder or a UNet/],
    [() => Pipeline.load(folder, { scheduler: 7 as never }), /scheduler/],
    [() => x.add(1, { signal: 'no' as never }), /signal/],
    [() => saveTensors('none', { x }, { metadata: { a: 1 } as never }), /metadata\.a/],
    [() => saveTensors('none', { x: 1 as never }), /tensors\.x: expected a Tensor/],
    [() => loadTensors([]), /path/],
    [() => Tensor.randn([1.5]), /shape/],
    [async () => Tensor.full([1], '2' as never), /value/],
    [() => Tensor.stack(7 as never), /tensors/],
  ];
  for (const [call, message] of wrong) {
    await t.rejects(call(), { code: 'ERR_INVALID_ARG', message });
  }
  await t.rejects(UNet.load(join(folder, 'unet'), { dtype: 'complex' as never }), {
    code: 'ERR_DTYPE',
  });
});

t.test('a path that is none is named, not passed on', async (t) => {
  const image = new Image({ width: 1, height: 1, channels: 1, data: new Uint8Array(1) });
  for (const path of [undefined, null, 7, ''] as never[]) {
    const calls: Promise<unknown>[] = [
      Pipeline.load(path),
      UNet.load(path),
      Autoencoder.load(path),
      Scheduler.load(path),
      loadTensors(path),
      saveTensors(path, {}),
      image.save(path),
    ];
    for (const call of calls) {
      await t.rejects(call, { code: 'ERR_INVALID_ARG', message: /path: expected a path/ });
    }
  }
});

t.test('threads have one range, wherever they are set', async (t) => {
  for (const threads of ['0', '-1', '1.5', '1025', '9999', 'many', '1e3']) {
    const expected = { code: 'ERR_INVALID_ARG', message: /from 1 to 1024/ };
    t.throws(() => readEnvironment({ LATENTRAY_THREADS: threads }), expected, threads);
    if (Number(threads) !== 1000) t.throws(() => setThreads(Number(threads)), expected, threads);
  }
  t.equal(readEnvironment({ LATENTRAY_THREADS: '1024' }).threads, 1024);
  t.equal(readEnvironment({ LATENTRAY_THREADS: '' }).threads, undefined);
});
