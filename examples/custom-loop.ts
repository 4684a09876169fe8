// The denoising loop by hand, from the public parts, and the same latents as `pipeline.generate`. The
// place to start from for a guidance or a sampler of your own.
//
//   node examples/custom-loop.ts <pipeline folder> <image.png>
import { Image, NoiseSource, Pipeline, Tensor } from 'latentray';

const [model, file] = process.argv.slice(2);
if (!model || !file) throw new Error('usage: custom-loop.ts <pipeline folder> <image.png>');

const prompt = 'A photo of a lung x-ray';
const seed = 42;
const steps = 10;
const guidanceScale = 7.5;
const side = 16; // of the latents; pixels are `downscale` times as many

const pipeline = await Pipeline.load(model);
const { textEncoder, unet, vae } = pipeline;

// The first row is what guidance leads away from, the second what it leads to.
const { lastHiddenState: states } = await textEncoder.encode(['', prompt]); // [2, L, D]

const scheduler = pipeline.scheduler.as('euler_ancestral');
scheduler.setTimesteps(steps);
const noise = new NoiseSource(seed); // draws the start, then the noise of each step
const start = await noise.randn([1, unet.inChannels, side, side]);
let latents = await start.mul(scheduler.initNoiseSigma);

for (const [index, timestep] of scheduler.timesteps.entries()) {
  const seen = await scheduler.scaleModelInput(latents, index);
  const sample = await Tensor.cat([seen, seen]); // both prompts in one forward
  const prediction = await unet.forward({ sample, timestep, encoderHiddenStates: states });
  const negative = await prediction.slice(0, 0, 1);
  const positive = await prediction.slice(0, 1, 2);
  const direction = await positive.sub(negative);
  const guided = await negative.add(await direction.mul(guidanceScale));
  latents = await scheduler.step(guided, index, latents, { noise });
}

const pixels = await vae.decodeScaled(latents); // [1, 3, H, W] in [−1, 1]
const unit = await (await (await pixels.div(2)).add(0.5)).permute([0, 2, 3, 1]); // [1, H, W, 3] in [0, 1]
const [, height = 0, width = 0] = unit.shape;
const image = Image.fromPixels(unit.data() as Float32Array, {
  width,
  height,
  channels: 3,
  provenance: { synthetic: true, software: 'custom-loop', modelDigest: await pipeline.digest() },
});
await image.save(file);

const reference = await pipeline.generate({
  prompt,
  seed,
  steps,
  guidanceScale,
  scheduler: 'euler_ancestral',
  width: side * vae.downscale,
  height: side * vae.downscale,
  output: 'latents',
});
const difference = await (await latents.sub(reference.latents)).norm();
const size = await reference.latents.norm();
console.log(`relative difference ${Number(difference.data()[0]) / Number(size.data()[0])}`);
pipeline.dispose();
