import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * What identifies a model: the SHA-256 over the SHA-256 of each weight file, with the names of the file and
 * of its folder, in the order given.
 */
export async function modelDigest(files: readonly string[]): Promise<string> {
  const digest = createHash('sha256');
  for (const file of files) {
    const name = join(basename(dirname(file)), basename(file));
    digest.update(`${name} ${await fileDigest(file)}\n`);
  }
  return `sha256:${digest.digest('hex')}`;
}

const known = new WeakMap<object, Promise<string>>();

/** The digest of one model, whose files are read once. */
export function digestOfModel(model: { readonly weightFiles: readonly string[] }): Promise<string> {
  const digest = known.get(model) ?? modelDigest(model.weightFiles);
  known.set(model, digest);
  return digest;
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) hash.update(chunk);
  return hash.digest('hex');
}
