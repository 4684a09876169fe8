import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  Image,
  loadTensors,
  readProvenance,
  saveTensors,
  Tensor,
  TextEncoder,
} from '../../src/index.js';
import { packageVersion } from '../../src/native/package-root.js';
import { latentray } from '../support/command-line.js';
import { relativeError } from '../support/golden.js';
import { recipeFolder } from '../support/recipe.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

const model = await tinyPipelineFolder();
const autoencoder = await recipeFolder('recipe-taesd');
const quick = ['--model', model, '--steps', '2', '--width', '64', '--height', '64'];

t.test('--help lists the commands, --version the version', async (t) => {
  const help = await latentray(t.testdir(), '--help');
  t.match(help, { status: 0, stderr: '' });
  t.match(help.stdout, /Research use only; not a medical device/);
  for (const command of [
    ...['generate', 'reconstruct', 'convert', 'inspect', 'embed', 'demo', 'doctor'],
  ]) {
    t.match(help.stdout, new RegExp(`^  ${command} `, 'm'));
  }
  const version = await latentray(t.testdir(), '--version');
  t.same(version, { status: 0, stdout: `${packageVersion}\n`, stderr: '' });
});

t.test('generate writes images that say how they were made', async (t) => {
  const folder = t.testdir();
  const prompts = ['A photo of a lung x-ray', 'Left pleural effusion'];
  const result = await latentray(
    folder,
    ...['generate', ...prompts, ...quick, '--seed', '3,18446744073709551615'],
    ...['--scheduler', 'ddim', '--guidance', '2.5', '--negative', 'blurry', '--out', 'made'],
  );
  const files = ['made/image-3-0.png', 'made/image-18446744073709551615-1.png'];
  t.same(result, { status: 0, stdout: `${files.join('\n')}\n`, stderr: '' });
  for (const [index, file] of files.entries()) {
    t.match(await Image.read(join(folder, file)), { width: 64, height: 64, channels: 3 });
    t.match(await readProvenance(join(folder, file)), {
      synthetic: true,
      software: `latentray ${packageVersion}`,
      modelDigest: /^sha256:/,
      prompt: prompts[index],
      negativePrompt: 'blurry',
      seed: [3n, 2n ** 64n - 1n][index],
      settings: { scheduler: 'DDIMScheduler', steps: 2, guidanceScale: 2.5 },
    });
  }
});

t.test('generate --json prints one JSON object, and cuts aloud', async (t) => {
  const folder = t.testdir();
  const prompt = `${'effusion '.repeat(80)}pneumothorax`;
  const { stdout, stderr, status } = await latentray(
    folder,
    ...['generate', prompt, ...quick, '--images', '2', '--seed', '7', '--json'],
  );
  t.equal(status, 0);
  t.match(stderr, /^Too long, cut: ".*pneumothorax.*\n--long-prompt chunk takes/s);
  t.match(JSON.parse(stdout), {
    files: ['outputs/image-7-0.png', 'outputs/image-7-1.png'],
    seeds: ['7'],
    truncated: [{ prompt, dropped: /pneumothorax/ }],
    seconds: Number,
  });
  t.same(readdirSync(join(folder, 'outputs')), ['image-7-0.png', 'image-7-1.png']);
});

t.test('generate changes an image, and paints inside of a mask', async (t) => {
  const folder = t.testdir();
  await checkers(64).save(join(folder, 'in.png'));
  const white = { width: 64, height: 64, channels: 1, data: new Uint8Array(64 * 64) } as const;
  white.data.fill(255, 64 * 32);
  await new Image(white).save(join(folder, 'mask.png'));
  const small = ['--model', model, '--steps', '4', '--seed', '5', '--json'];

  const changed = await latentray(
    folder,
    ...['generate', 'effusion', ...small, '--image', 'in.png', '--strength', '0.5'],
    ...['--width', '32', '--height', '32', '--fit', 'stretch', '--out', 'changed'],
  );
  t.match(changed, { status: 0, stderr: '' });
  const file = join(folder, 'changed/image-5-0.png');
  t.match(await Image.read(file), { width: 32, height: 32 });
  t.match(await readProvenance(file), {
    prompt: 'effusion',
    settings: { kind: 'image-to-image', strength: 0.5, image: /^sha256:/ },
  });

  const painted = await latentray(
    folder,
    ...['generate', 'effusion', ...small, '--image', 'in.png', '--mask', 'mask.png'],
    ...['--keep-unmasked', '--out', 'painted'],
  );
  t.match(painted, { status: 0, stderr: '' });
  const image = await Image.read(join(folder, 'painted/image-5-0.png'));
  const original = await Image.read(join(folder, 'in.png'));
  const half = 64 * 32;
  t.same(
    Array.from({ length: half }, (_, i) => image.data[i * 3]),
    Array.from({ length: half }, (_, i) => original.data[i * original.channels]),
  );
  t.match(image.provenance, { settings: { kind: 'inpainting', strength: 1, keepUnmasked: true } });
});

t.test('generate paints the region of a mask at a size of its own', async (t) => {
  const folder = t.testdir();
  await checkers(100).save(join(folder, 'in.png'));
  const mask = new Uint8Array(100 * 100);
  for (let y = 40; y < 50; y++) mask.fill(255, 100 * y + 20, 100 * y + 32);
  const whole = { width: 100, height: 100, channels: 1, data: mask } as const;
  await new Image(whole).save(join(folder, 'mask.png'));
  const result = await latentray(
    folder,
    ...['generate', 'nodule', ...quick, '--seed', '5', '--image', 'in.png', '--mask', 'mask.png'],
    ...['--padding-mask-crop', '4', '--out', 'painted'],
  );
  t.match(result, { status: 0, stderr: '' });
  const image = await Image.read(join(folder, 'painted/image-5-0.png'));
  t.match(image, { width: 100, height: 100 }, 'the image keeps its size');
  t.match(image.provenance, { settings: { kind: 'inpainting', paddingMaskCrop: 4 } });
  const original = await Image.read(join(folder, 'in.png'));
  const changed = Array.from(mask, (_, i) => {
    return image.data[i * image.channels] !== original.data[i * original.channels];
  });
  t.ok(changed.some((is, i) => is && mask[i] === 255));
  t.notOk(changed.some((is, i) => is && mask[i] === 0));
});

t.test('generate is steered by a ControlNet', async (t) => {
  const folder = t.testdir();
  await checkers(64).save(join(folder, 'edges.png'));
  const controlNet = await recipeFolder('recipe-controlnet');
  const args = ['generate', 'effusion', ...quick, '--seed', '5', '--control', 'edges.png'];
  const result = await latentray(
    folder,
    ...[
      ...args,
      '--control-net',
      controlNet,
      '--control-scale',
      '0.5',
      '--guess-mode',
      '--out',
      'out',
    ],
  );
  t.match(result, { status: 0, stderr: '' });
  t.match(await readProvenance(join(folder, 'out/image-5-0.png')), {
    settings: { control: [{ scale: 0.5, image: /^sha256:/ }], guessMode: true },
  });
});

t.test('flags that need another one say so', async (t) => {
  const folder = t.testdir();
  await checkers(64).save(join(folder, 'in.png'));
  const wrong: [string[], RegExp][] = [
    [['--strength', '0.5'], /--strength: expected to be given with --image/],
    [['--mask', 'in.png'], /--mask: expected to be given with --image/],
    [['--image', 'in.png', '--keep-unmasked'], /with --mask/],
    [['--control', 'in.png'], /with --control-net/],
    [['--guess-mode'], /--guess-mode: expected to be given with --control/],
    [['--image', 'in.png', '--padding-mask-crop', '4'], /--padding-mask-crop: .* with --mask/],
    [['--strength', '1.5', '--image', 'in.png'], /above 0 and up to 1/],
    [['--image', 'none.png'], /ERR_IMAGE_DECODE/],
    [['--image', 'in.png', '--width', '32'], /fit/],
  ];
  for (const [flags, message] of wrong) {
    const { status, stderr } = await latentray(
      folder,
      ...['generate', 'effusion', '--model', model, ...flags],
    );
    t.equal(status, 1, flags.join(' '));
    t.match(stderr, message);
  }
});

t.test('generate --long-prompt chunk cuts nothing', async (t) => {
  const prompt = 'effusion '.repeat(80);
  const args = [prompt, ...quick, '--seed', '7', '--long-prompt', 'chunk'];
  const result = await latentray(t.testdir(), 'generate', ...args);
  t.same(result, { status: 0, stdout: 'outputs/image-7-0.png\n', stderr: '' });
});

t.test('convert and inspect, and generate from the file with LoRA weights', async (t) => {
  const folder = t.testdir();
  const converted = await latentray(
    folder,
    'convert',
    model,
    'one.safetensors',
    '--dtype',
    'float16',
  );
  t.same(converted, { status: 0, stdout: '', stderr: 'one.safetensors\n' });
  const listed = await latentray(folder, 'inspect', 'one.safetensors');
  t.match(listed.stdout, /^model\.diffusion_model\.out\.2\.bias\t\[4\]\tfloat16\t8$/m);
  t.match(listed.stdout, /^# \d+ tensors, \d+ parameters, \d+ bytes, layout: original$/m);
  const json = await latentray(folder, 'inspect', model, '--json');
  t.match(JSON.parse(json.stdout), { layout: 'model', tensors: [{ part: 'text_encoder' }] });

  const layer = 'lora_te_text_model_encoder_layers_0_self_attn_q_proj';
  await saveTensors(join(folder, 'style.safetensors'), {
    [`${layer}.lora_down.weight`]: await Tensor.randn([2, 32], { seed: 1 }),
    [`${layer}.lora_up.weight`]: await Tensor.randn([32, 2], { seed: 2 }),
  });
  const size = ['--steps', '2', '--width', '64', '--height', '64', '--seed', '7', '--out', 'made'];
  const generate = ['generate', 'x', '--model', 'one.safetensors', '--config', model, ...size];
  const made = await latentray(folder, ...generate, '--lora', 'style.safetensors=0.5');
  t.same(made, { status: 0, stdout: 'made/image-7-0.png\n', stderr: '' });
  t.match(await readProvenance(join(folder, 'made/image-7-0.png')), {
    settings: { lora: [{ name: 'style', scale: 0.5 }] },
  });

  const wrong: [string[], RegExp][] = [
    [['inspect', 'nowhere'], /^ERR_MODEL_NOT_FOUND/],
    [['convert', 'one.safetensors', 'folder'], /^ERR_MODEL_NOT_FOUND.*config/],
    [['convert', model, 'x.safetensors', '--dtype', 'int8'], /^ERR_INVALID_ARG.*dtype/],
    [[...generate, '--lora', 'nowhere.safetensors'], /^ERR_MODEL_NOT_FOUND/],
  ];
  for (const [args, message] of wrong) {
    t.match(await latentray(folder, ...args), { status: 1, stdout: '', stderr: message });
  }
});

t.test('embed turns lines into JSON lines, and a CSV column into safetensors', async (t) => {
  const long = 'effusion '.repeat(100).trim();
  const lines = ['The lungs are clear.', '', long];
  const csv = `id,report\n1,"The lungs\nare clear."\n2,small effusion\n`;
  const folder = t.testdir({ 'texts.txt': `${lines.join('\n')}\n`, 'reports.csv': csv });
  const bert = ['embed', '--model', await recipeFolder('recipe-bert')];
  const encoder = await TextEncoder.load(await recipeFolder('recipe-bert'));

  const printed = await latentray(folder, ...bert, '--texts', 'texts.txt', '--normalize');
  t.match(printed, { status: 0, stderr: 'Too long, cut: 1 of 3 texts (3, counted from 1)\n' });
  const rows = printed.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.match(rows, [
    { index: 0, truncated: false },
    { index: 1, truncated: false },
    { index: 2, truncated: true },
  ]);
  const { pooled } = await encoder.encode(lines[0] as string, { pooling: 'mean', normalize: true });
  t.ok(
    (await relativeError(Tensor.from(rows[0].embedding, { shape: [1, 24] }), pooled as Tensor)) <
      1e-5,
  );

  const args = ['--texts', 'reports.csv', '--column', 'report', '--pooling', 'cls'];
  const saved = await latentray(folder, ...bert, ...args, '--out', 'made/x.safetensors');
  t.same(saved, { status: 0, stdout: '', stderr: '' });
  const { tensors, metadata } = await loadTensors(join(folder, 'made/x.safetensors'));
  t.match(metadata, { pooling: 'cls', normalize: 'false' });
  const texts = ['The lungs\nare clear.', 'small effusion'];
  const { pooled: expected } = await encoder.encode(texts, { pooling: 'cls' });
  t.ok((await relativeError(tensors.embeddings as Tensor, expected as Tensor)) < 1e-5);
  t.same([...(tensors.truncated?.data() ?? [])], [0, 0]);

  const file = await latentray(folder, ...bert, '-t', 'texts.txt', '--out', 'made/x.jsonl');
  t.equal(file.status, 0);
  t.equal(readFileSync(join(folder, 'made/x.jsonl'), 'utf8').split('\n').length, 4);

  const wrong: [string[], RegExp][] = [
    [['--texts', 'nowhere.txt'], /^ERR_INVALID_ARG: --texts: nowhere.txt/],
    [['--texts', 'reports.csv'], /^ERR_INVALID_ARG: --column: .*id, report/],
    [['--texts', 'reports.csv', '--column', 'text'], /--column: .*received text/],
    [['--texts', 'texts.txt', '--column', 'text'], /--column: expected a .csv/],
    [['--texts', 'texts.txt', '--pooling', 'none'], /--pooling/],
    [['--texts', 'texts.txt', '--pooling', 'max'], /pooling/],
    [['--texts', 'texts.txt', '--out', 'x.npy'], /--out: expected a .jsonl/],
  ];
  for (const [flags, message] of wrong) {
    const result = await latentray(folder, ...bert, ...flags);
    t.match(result, { status: 1, stdout: '', stderr: message }, flags.join(' '));
    t.notMatch(result.stderr, /^ +at /m, `${flags.join(' ')}: no stack`);
  }
});

t.test('reconstruct writes images, a sheet and a table', async (t) => {
  const folder = t.testdir();
  mkdirSync(join(folder, 'in'));
  await checkers(40).save(join(folder, 'in', 'a.png'));
  await checkers(24).save(join(folder, 'in', 'b.png'));
  const args = ['reconstruct', 'in', '--vae', autoencoder, '--size', '32', '--fit', 'stretch'];

  const table = await latentray(folder, ...args, '--out', 'out');
  t.match(table, { status: 0, stderr: '' });
  const figures = String.raw`\d\.\d{4} +-?\d+\.\d\d +-?\d\.\d{4}  `;
  t.match(
    table.stdout,
    new RegExp(
      `^RMSE +PSNR dB +SSIM +image\n${figures}in/a\\.png\n${figures}in/b\\.png\n${figures}mean of 2\n$`,
    ),
  );
  t.same(readdirSync(join(folder, 'out')), ['a.png', 'b.png', 'sheet-001.png']);
  t.match(await Image.read(join(folder, 'out/a.png')), { width: 32, height: 32, channels: 1 });
  t.match(await readProvenance(join(folder, 'out/b.png')), {
    synthetic: true,
    settings: { kind: 'reconstruction' },
  });

  const json = await latentray(folder, ...args, '--limit', '1', '--json');
  t.match(json, { status: 0, stderr: '' });
  const { images, mean } = JSON.parse(json.stdout);
  t.match(images, [{ file: 'in/a.png', rmse: Number, psnr: Number, ssim: Number }]);
  t.equal(images.length, 1);
  t.same(mean, { rmse: images[0].rmse, psnr: images[0].psnr, ssim: images[0].ssim });
});

t.test('what is wrong is said on stderr, with exit code 1', async (t) => {
  const folder = t.testdir();
  const cases: [string, string[], RegExp][] = [
    ['an unknown command', ['frobnicate'], /unknown command 'frobnicate'/],
    ['no prompt', ['generate', '--model', '/nowhere'], /missing required argument 'prompt'/],
    ['an unknown option', ['generate', 'x', '-m', '/nowhere', '--step', '2'], /unknown option/],
    ['steps in words', ['generate', 'x', '-m', '/nowhere', '-s', 'two'], /expected a whole number/],
    ['a seed below 0', ['generate', 'x', '-m', '/nowhere', '--seed', '-1'], /expected whole numb/],
    ['a model that is not there', ['generate', 'x', '-m', '/nowhere'], /^ERR_MODEL_NOT_FOUND: /],
    [
      'an autoencoder that is not there',
      ['reconstruct', '.', '--vae', '/nowhere'],
      /^ERR_MODEL_NOT_FOUND: /,
    ],
  ];
  for (const [name, args, message] of cases) {
    const result = await latentray(folder, ...args);
    t.match(result, { status: 1, stdout: '', stderr: message }, name);
    t.notMatch(result.stderr, /^ +at /m, `${name}: no stack`);
  }
  t.same(readdirSync(folder), [], 'nothing was written');
});

t.test('an original is never overwritten', async (t) => {
  const folder = t.testdir();
  const image = new Image({ width: 16, height: 16, channels: 1, data: new Uint8Array(256) });
  await image.save(join(folder, 'original.png'));
  const before = readFileSync(join(folder, 'original.png'));
  const args = ['reconstruct', '.', '--vae', autoencoder, '--out', '.'];
  const result = await latentray(folder, ...args);
  t.match(result, { status: 1, stdout: '', stderr: /^ERR_INVALID_ARG: --out/ });
  t.same(readFileSync(join(folder, 'original.png')), before);
});

t.test('what the model refuses is said too', async (t) => {
  const cases: [string[], RegExp][] = [
    [['--steps', '0'], /^ERR_INVALID_ARG: generate: steps/],
    [['--width', '60'], /^ERR_INVALID_ARG: width: expected a multiple of 8/],
    [['--device', 'cuda:63'], /^ERR_DEVICE_UNAVAILABLE: /],
    [['--dtype', 'float8'], /^ERR_DTYPE: /],
    [['--scheduler', 'dpm'], /^ERR_CONFIG_INVALID: .*dpmpp_2m/],
  ];
  for (const [args, message] of cases) {
    const result = await latentray(t.testdir(), 'generate', 'x', ...quick, ...args);
    t.match(result, { status: 1, stdout: '', stderr: message }, args.join(' '));
  }
});

/** Grey squares of 8 pixels. */
function checkers(side: number): Image {
  const data = Uint8Array.from({ length: side * side }, (_, i) =>
    (((i % side) >> 3) + (Math.floor(i / side) >> 3)) % 2 === 0 ? 60 : 190,
  );
  return new Image({ width: side, height: side, channels: 1, data });
}
