import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { LatentrayError } from '../../src/index.js';
import {
  makeFolderAtomically,
  removePartial,
  writeFileAtomically,
} from '../../src/training/atomic-files.js';
import { Checkpoints, readCheckpoint } from '../../src/training/checkpoints.js';
import { MetricsLog } from '../../src/training/metrics-log.js';

const saveState = (path: string) => writeFile(path, 'weights');
const facts = (step: number) => ({ step, loss: 0.25, seconds: 1.5, fingerprint: 'of the run' });

t.test('a file is replaced whole', async (t) => {
  const folder = t.testdir({ 'run.json': 'old' });
  await writeFileAtomically(join(folder, 'run.json'), 'new');
  t.equal(await readFile(join(folder, 'run.json'), 'utf8'), 'new');
  t.same(await readdir(folder), ['run.json']);
});

t.test('a file that cannot be written is ERR_WRITE, and the old one stays', async (t) => {
  const folder = t.testdir({ 'run.json': { content: '' } });
  await t.rejects(writeFileAtomically(join(folder, 'run.json'), 'new'), {
    code: 'ERR_WRITE',
    path: /run\.json/,
    message: /run\.json: cannot be written/,
  });
  t.same(await readdir(folder), ['run.json']);
  t.same(await readdir(join(folder, 'run.json')), ['content']);
});

t.test('a folder whose filling fails is not there, and the old one stays', async (t) => {
  const folder = t.testdir({ result: { 'model.safetensors': 'old' } });
  const failing = makeFolderAtomically(join(folder, 'result'), async (empty) => {
    await writeFile(join(empty, 'model.safetensors'), 'half');
    const refusal = { code: 'ENOSPC', errno: -28, syscall: 'write' };
    throw Object.assign(new Error('no space left on device'), refusal);
  });
  await t.rejects(failing, { code: 'ERR_WRITE', message: /ENOSPC/ });
  t.same(await readdir(folder), ['result']);
  t.equal(await readFile(join(folder, 'result', 'model.safetensors'), 'utf8'), 'old');
});

t.test('only what the file system refuses is ERR_WRITE', async (t) => {
  const folder = t.testdir({ result: { 'model.safetensors': 'old' } });
  const others = [
    new TypeError('a mistake of the program'),
    new DOMException('stopped', 'AbortError'),
    Object.assign(new Error('a code of another kind'), { code: 'ERR_INVALID_STATE' }),
    new LatentrayError('ERR_DISPOSED', 'saveState: the model was disposed'),
  ];
  for (const problem of others) {
    const failing = makeFolderAtomically(join(folder, 'result'), () => Promise.reject(problem));
    t.equal(await failing.catch((error: unknown) => error), problem);
    t.same(await readdir(folder), ['result']);
  }
  const missing = makeFolderAtomically(join(folder, 'result'), async (empty) => {
    await readFile(join(empty, 'nothing'));
  });
  await t.rejects(missing, { code: 'ERR_WRITE', message: /ENOENT/ });
});

t.test('a folder is replaced with everything in it', async (t) => {
  const folder = t.testdir({ result: { old: '' } });
  await makeFolderAtomically(join(folder, 'result'), async (empty) => {
    await mkdir(join(empty, 'unet'));
    await writeFile(join(empty, 'unet', 'config.json'), '{}');
  });
  t.same(await readdir(join(folder, 'result')), ['unet']);
});

t.test('what a killed process had begun goes, what looks like it stays', async (t) => {
  const folder = t.testdir({
    'step-00000002.partial-123': { 'state.safetensors': 'half' },
    'run.json.partial-9': '',
    'partial-notes.txt': '',
    'step-00000001': {},
  });
  await removePartial(folder);
  t.same((await readdir(folder)).sort(), ['partial-notes.txt', 'step-00000001']);
  await t.resolves(removePartial(join(folder, 'missing')));
});

t.test('the latest checkpoint is that of the most steps', async (t) => {
  const folder = t.testdir();
  const checkpoints = new Checkpoints(folder);
  t.equal(await checkpoints.latest(), undefined);
  for (const step of [9, 10, 100_000_000]) {
    await checkpoints.write(facts(step), undefined, saveState);
  }
  await mkdir(join(folder, 'checkpoints', 'step-00000200.partial-1'));
  await mkdir(join(folder, 'checkpoints', 'my-favourite'));
  t.same(await checkpoints.steps(), [9, 10, 100_000_000]);
  const latest = await checkpoints.latest();
  t.match(latest, facts(100_000_000));
  t.equal(await readFile(latest?.stateFile ?? '', 'utf8'), 'weights');
});

t.test('only as many checkpoints as wanted are kept, the newest', async (t) => {
  const folder = t.testdir({ checkpoints: { 'my-favourite': {} } });
  const checkpoints = new Checkpoints(folder);
  for (const step of [1, 2, 3, 4]) await checkpoints.write(facts(step), 2, saveState);
  t.same(await checkpoints.steps(), [3, 4]);
  t.same((await readdir(join(folder, 'checkpoints'))).sort(), [
    'my-favourite',
    'step-00000003',
    'step-00000004',
  ]);
});

t.test('a checkpoint that cannot be written leaves the ones before it', async (t) => {
  const checkpoints = new Checkpoints(t.testdir());
  await checkpoints.write(facts(1), 1, saveState);
  const full = async () => {
    throw Object.assign(new Error('full'), { code: 'ENOSPC', errno: -28 });
  };
  await t.rejects(checkpoints.write(facts(2), 1, full), { code: 'ERR_WRITE', message: /ENOSPC/ });
  t.same(await checkpoints.steps(), [1]);
  t.match(await checkpoints.latest(), facts(1));
});

t.test('a folder that is no checkpoint says what one is', async (t) => {
  const folder = t.testdir({
    empty: {},
    broken: { 'state.json': '{"step": 1' },
    other: { 'state.json': '{"step": -1, "seconds": "long"}' },
  });
  const read = (name: string) => readCheckpoint(join(folder, name));
  await t.rejects(read('missing'), {
    code: 'ERR_MODEL_NOT_FOUND',
    message: /expected a checkpoint/,
  });
  await t.rejects(read('empty'), { code: 'ERR_MODEL_NOT_FOUND', path: /state\.json/ });
  await t.rejects(read('broken'), { code: 'ERR_CONFIG_INVALID', path: /state\.json/ });
  await t.rejects(read('other'), { code: 'ERR_CONFIG_INVALID', message: /step/ });
});

t.test('metrics go on after the checkpoint: later and half lines are cut', async (t) => {
  const path = join(t.testdir(), 'metrics.jsonl');
  const log = await MetricsLog.open(path, 0);
  for (const step of [1, 2, 3]) await log.append({ step, loss: step / 10 });
  await log.close();
  await writeFile(path, '{"step":4,"lo', { flag: 'a' });

  const resumed = await MetricsLog.open(path, 2);
  await resumed.append({ step: 3, loss: 0.3 });
  await resumed.close();
  t.equal(
    await readFile(path, 'utf8'),
    '{"step":1,"loss":0.1}\n{"step":2,"loss":0.2}\n{"step":3,"loss":0.3}\n',
  );
});

t.test('metrics that cannot be written are ERR_WRITE', async (t) => {
  const folder = t.testdir({ 'metrics.jsonl': {} });
  const path = join(folder, 'metrics.jsonl');
  await t.rejects(MetricsLog.open(path, 0), { code: 'ERR_WRITE', path });
});
