import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { augment } from '../../src/index.js';
import { readSet, smallRealFolder } from '../support/augment-data.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

const run = promisify(execFile);
const environment = { ...process.env, HF_HUB_OFFLINE: '1', HF_DATASETS_OFFLINE: '1' };

/** Why a reader of Python's cannot be asked here. */
function without(module: string): string | false {
  try {
    execFileSync('python3', ['-c', `import ${module}`], { stdio: 'ignore', env: environment });
    return false;
  } catch {
    return `python3 has no ${module}`;
  }
}

async function python(source: string, ...args: string[]): Promise<unknown> {
  const { stdout } = await run('python3', ['-c', source, ...args], { env: environment });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

const folder = t.testdir();
const out = join(folder, 'set');
await augment({
  pipeline: await tinyPipelineFolder(),
  dataset: await smallRealFolder(join(folder, 'real')),
  plan: { Edema: 3, Mass: 2 },
  out,
  generation: { steps: 1, width: 64, height: 64, guidanceScale: 1 },
  gate: { maxSimilarity: 0.9999 },
});
const rows = await readSet(out);

t.test('Hugging Face datasets reads the set', { skip: without('datasets') }, async (t) => {
  const source = `
import json, sys, datasets
found = datasets.load_dataset("imagefolder", data_dir=sys.argv[1], cache_dir=sys.argv[2])["train"]
first = found[0]
print(json.dumps({"columns": found.column_names, "size": first["image"].size, "rows": [
    {"text": row["text"], "labels": row["labels"], "seed": row["seed"], "synthetic": row["synthetic"],
     "checks": row["checks"], "digest": row["model_digest"]} for row in found]}))`;
  const found = (await python(source, out, join(folder, 'cache'))) as {
    columns: string[];
    size: number[];
    rows: Record<string, unknown>[];
  };
  t.same(found.size, [64, 64]);
  t.ok(found.columns.includes('image'));
  const expected = rows.map(({ text, labels, seed, synthetic, checks, model_digest: digest }) => ({
    text,
    labels,
    seed,
    synthetic,
    checks,
    digest,
  }));
  t.same(found.rows, expected);
});

t.test('torchvision reads the set', { skip: without('torchvision') }, async (t) => {
  const source = `
import json, sys, torchvision
found = torchvision.datasets.ImageFolder(sys.argv[1])
print(json.dumps({"classes": found.classes, "targets": found.targets, "size": found[0][0].size}))`;
  t.same(await python(source, out), {
    classes: ['edema', 'mass'],
    targets: rows.map((row) => (row.class === 'Edema' ? 0 : 1)),
    size: [64, 64],
  });
});
