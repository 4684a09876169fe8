import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Classifier } from '../../src/index.js';
import { packageRoot } from '../../src/native/package-root.js';
import { readSet, setBytes, smallRealFolder, writeRealFolder } from '../support/augment-data.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

const program = join(packageRoot, 'dist/esm/cli/main.js');
const folder = t.testdir();
const dataset = await smallRealFolder(join(folder, 'real'));
const model = await tinyPipelineFolder();

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<{ status: number | null; stdout: string; stderr: string }>;
}

function start(args: readonly string[], env: Record<string, string> = {}): Started {
  const { NODE_OPTIONS: _, ...inherited } = process.env;
  const child = spawn(process.execPath, [program, 'augment', ...args], {
    cwd: folder,
    env: { LATENTRAY_THREADS: '1', ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ]).then(([stdout, stderr, status]) => ({ stdout, stderr, status }));
  return { child, ended };
}

function flags(out: string, ...more: string[]): string[] {
  const size = ['--width', '64', '--height', '64', '--steps', '4', '--guidance', '2'];
  return ['-m', model, '--dataset', dataset, '-o', out, '--batch', '1', ...size, ...more];
}

/** Lines of attempts that are written. */
async function attempts(out: string): Promise<number> {
  const names = await readdir(join(folder, out)).catch(() => []);
  const logs = names.filter((name) => name.startsWith('attempts-'));
  const texts = await Promise.all(logs.map((name) => readFile(join(folder, out, name), 'utf8')));
  return texts.join('').split('\n').length - 1;
}

t.test('killed and started again, a set is the same, without one image twice', async (t) => {
  const plan = ['--plan', '{ Edema: 5, Mass: 3 }', '--too-near', 'off', '--seed', '7'];
  const whole = await start(flags('whole', ...plan)).ended;
  t.equal(whole.status, 0, whole.stderr);
  t.match(whole.stdout, /^Edema: 5 of 5 images, 0 given up, 0 attempts rejected\nMass: 3 of 3 /);
  t.match(whole.stdout, /synthetic and says so; not for diagnosis\.\n$/);
  t.match(
    whole.stderr,
    /^8\/8 images, [\d.]+ a second, 0 s left, 0 attempts rejected, 0 given up$/m,
  );

  for (const until of [2, 5]) {
    const { child, ended } = start(flags('killed', ...plan));
    while ((await attempts('killed')) < until && child.exitCode === null) await sleep(5);
    child.kill('SIGKILL');
    t.equal((await ended).status, null);
  }
  t.notOk(existsSync(join(folder, 'killed/metadata.jsonl')));
  t.equal((await start(flags('killed', ...plan)).ended).status, 0);
  t.same(await setBytes(join(folder, 'killed')), await setBytes(join(folder, 'whole')));

  const ranks = [0, 1].map((rank) =>
    start(flags('shared', ...plan), { RANK: String(rank), WORLD_SIZE: '2' }),
  );
  const ends = await Promise.all(ranks.map(({ ended }) => ended));
  t.same(
    ends.map(({ status }) => status),
    [0, 0],
  );
  t.same(await setBytes(join(folder, 'shared')), await setBytes(join(folder, 'whole')));
});

t.test('prompts of one’s own, one label, JSON', async (t) => {
  const { status, stdout, stderr } = await start(
    flags(
      'templates',
      ...['--plan', 'balance', '--label', 'Mass', '--label', 'Edema', '--too-near', '0', '--json'],
      ...['--template', '{label}, {view} view', '--template', 'A patient of {age} with {label}'],
    ),
  ).ended;
  t.equal(status, 0, stderr);
  t.match(JSON.parse(stdout), { complete: true, labels: { Mass: { planned: 2 } } });
  for (const { text } of await readSet(join(folder, 'templates'))) {
    t.match(text, /^(mass, PA view|A patient of 50 with mass)$/);
  }
});

t.test('evaluate trains by a module, prints a table, and says what it comes to', async (t) => {
  await writeFile(
    join(folder, 'trainer.mjs'),
    `import { Image } from 'latentray';
const brightness = async ({ image }) => {
  const { pixels } = image instanceof Image ? image : await Image.read(image);
  return pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
};
export default {
  digest: 'brightness 1',
  async train({ labels, samples }) {
    if (samples.length === 0) throw new Error('no samples');
    return {
      predict: (images) =>
        Promise.all(
          images.map(async (image) => {
            const score = await brightness(image);
            return labels.map(() => score);
          }),
        ),
    };
  },
};
`,
  );
  const rows = (split: string, from: number, count: number) =>
    Array.from({ length: count }, (_, n) => ({
      labels: { Mass: n % 2 },
      split,
      source: 'here',
      patient_id: `p${from + n}`,
    }));
  await writeRealFolder(join(folder, 'all'), [...rows('train', 0, 8), ...rows('test', 50, 24)]);
  await writeRealFolder(join(folder, 'made'), rows('train', 90, 6));
  const args = ['--dataset', 'all', '--synthetic', 'made', '-o', 'evaluation', '--seeds', '2'];
  const more = ['--trainer', 'trainer.mjs', '--size', '4', '--size', '8', '--source', 'here'];
  const { status, stdout, stderr } = await start(['evaluate', ...args, ...more]).ended;
  t.equal(status, 0, stderr);
  const row =
    /^ {5}4 {2}real {18}0\.\d{3} \(0\.\d{3} to 0\.\d{3}\) {2}gain {2}0\.000 \(0\.000 to 0\.000\)$/m;
  t.match(stdout, row);
  t.match(stdout, /did NOT help/);
  t.match(stdout, /^Synthetic images did not help.*\nevaluation\/report\.html\n$/m);
  t.match(stderr, /^17\/18 synthetic-then-real-8-1, \d+ s left$/m);
  const again = await start(['evaluate', ...args, ...more, '--json', '--label', 'Mass']).ended;
  t.equal(again.status, 0, again.stderr);
  t.match(JSON.parse(again.stdout), { rows: { length: 10 }, counts: { test: 24, synthetic: 6 } });
  const wrong = await start(['evaluate', ...args, '--trainer', 'none.mjs']).ended;
  t.match(wrong, { status: 1, stderr: /^ERR_INVALID_ARG: --trainer: none\.mjs cannot be loaded/ });
});

t.test('without a module a network is trained, as a file says', async (t) => {
  const args = ['--dataset', 'all', '--synthetic', 'made', '--source', 'here', '--seeds', '1'];
  await writeFile(
    join(folder, 'training.yaml'),
    'steps: 2\nbatchSize: 4\nnetwork: { image_size: 16, embedding_size: 4, hidden_sizes: [4], depths: [1] }\n',
  );
  const config = ['--config', 'training.yaml', '-o', 'by-network'];
  const { status, stdout, stderr } = await start(['evaluate', ...args, ...config]).ended;
  t.equal(status, 0, stderr);
  t.match(stdout, /^ {5}8 {2}synthetic-then-real {2,}\d\.\d{3} /m);
  const wrong: [string[], RegExp][] = [
    [['--trainer', 'trainer.mjs'], /^ERR_INVALID_ARG: --config: expected none beside --trainer/],
    [['--config', 'none.yaml'], /none\.yaml cannot be read/],
  ];
  for (const [more, message] of wrong) {
    t.match(await start(['evaluate', ...args, ...config, ...more]).ended, {
      status: 1,
      stderr: message,
    });
  }
});

t.test('a classifier judges, and its probability needs one', async (t) => {
  const small = { image_size: 32, embedding_size: 4, hidden_sizes: [4], depths: [1] };
  using classifier = await Classifier.create({ labels: ['Edema', 'Mass'], ...small });
  await classifier.save(join(folder, 'classifier'));
  const plan = ['--plan', '{ Mass: 1 }', '--too-near', 'off', '--min-probability', '0'];
  const judged = await start(flags('judged', ...plan, '--classifier', 'classifier')).ended;
  t.equal(judged.status, 0, judged.stderr);
  const [row] = await readSet(join(folder, 'judged'));
  t.match(row?.checks, { classifier: { label: 'Mass', limit: 0 } });
  const alone = await start(flags('alone', ...plan)).ended;
  t.match(alone, {
    status: 1,
    stderr: /^ERR_INVALID_ARG: --min-probability: expected a --classifier/,
  });
});

t.test('what is wrong is one line', async (t) => {
  const cases: [string[], RegExp][] = [
    [['--plan', 'more'], /^ERR_INVALID_ARG: augment: plan: expected 'balance'/],
    [['--plan', '{ a: '], /--plan .*is invalid/],
    [['--plan', '2', '--reports', '--template', 'x'], /^ERR_INVALID_ARG: --reports: expected/],
    [[], /^ERR_INVALID_ARG: --plan: expected a value/],
    [['--plan', '2', 'word'], /too many arguments/],
  ];
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await start(flags('wrong', ...args)).ended;
    t.match({ status, stdout, stderr }, { status: 1, stdout: '', stderr: message });
  }
  t.notOk(existsSync(join(folder, 'wrong')));
});
