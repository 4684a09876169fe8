import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { modelDigest } from '../../src/pipeline/model-digest.js';

t.test('the files of a model are hashed once', async (t) => {
  const folder = t.testdir({ unet: { a: 'weights' }, vae: { b: 'others' } });
  const unet = { weightFiles: [join(folder, 'unet/a')] };
  const vae = { weightFiles: [join(folder, 'vae/b')] };
  const digest = await modelDigest(unet, vae);
  t.match(digest, /^sha256:[0-9a-f]{64}$/);
  writeFileSync(join(folder, 'unet/a'), 'changed on disk, not in the loaded model');
  t.equal(await modelDigest(unet, vae), digest);
  t.not(await modelDigest(vae, unet), digest, 'the order counts');
  t.not(await modelDigest({ ...unet }, vae), digest, 'another model of the same files');
});

t.test('a failure is not remembered', async (t) => {
  const folder = t.testdir({ elsewhere: { a: 'weights' } });
  mkdirSync(join(folder, 'unet'));
  const unet = { weightFiles: [join(folder, 'unet/a')] };
  await t.rejects(modelDigest(unet), { code: 'ENOENT' });
  renameSync(join(folder, 'elsewhere/a'), join(folder, 'unet/a'));
  t.match(await modelDigest(unet), /^sha256:/);
});
