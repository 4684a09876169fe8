// npm run bench: the quick benchmarks, one after the other, with few repetitions.
// npm run bench -- --list: which there are. npm run bench -- <name> [its options]: one of them.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `quick`: the options of a run without names; one without them takes too long or too much disk for that. */
const benchmarks = {
  overhead: {
    about: 'what TypeScript and the binding cost a U-Net call',
    quick: ['--calls', '100'],
  },
  'unet-step': {
    about:
      "one U-Net call of Stable Diffusion 1.x's size (3.4 GB of random weights), beside PyTorch",
  },
  'load-pipeline': {
    about: "opening a pipeline of Stable Diffusion 1.x's size (4.3 GB of random weights)",
  },
  'training-data': {
    about: 'images a second that training data gives, decoded and resized ahead',
    quick: ['--batches', '10'],
  },
  features: {
    about: 'features of images, resizing, memory of a streaming Fréchet distance',
    quick: ['--images', '8', '--rounds', '1', '--rows', '5000'],
  },
  dicom: {
    about: 'decoding the DICOM files of a folder (--files), beside pydicom',
  },
  'embed-texts': {
    about: 'texts to vectors with a BERT of base size, beside PyTorch and ONNX Runtime',
  },
  'train-unet': {
    about:
      "training steps: a U-Net of Stable Diffusion 1.x's size (14 GB of memory), a small one beside PyTorch",
  },
};

const [name, ...options] = process.argv.slice(2);
if (name === undefined) {
  for (const [each, { about, quick }] of Object.entries(benchmarks)) {
    if (quick) run(each, quick);
    else console.error(`${each}: ${about}. Not run unless named: npm run bench -- ${each}`);
  }
} else if (Object.hasOwn(benchmarks, name)) {
  run(name, options);
} else {
  if (name !== '--list') {
    console.error(`no benchmark is called ${name}`);
    process.exitCode = 1;
  }
  const width = Math.max(...Object.keys(benchmarks).map((each) => each.length)) + 2;
  for (const [each, { about }] of Object.entries(benchmarks)) {
    console.log(`${each.padEnd(width)}${about}`);
  }
}

function run(benchmark, args) {
  console.error(`${benchmark}: ${benchmarks[benchmark].about}`);
  const program = join(dirname(fileURLToPath(import.meta.url)), `${benchmark}.mjs`);
  const { status } = spawnSync(process.execPath, [program, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
