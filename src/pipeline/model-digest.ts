import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Something that was loaded from weight files. */
export interface WeightSource {
  readonly weightFiles: readonly string[];
}

/** A line for each weight file of a model: hashed once, since these files are large. */
const linesOfModels = new WeakMap<
  WeightSource,
  { readonly files: string; lines: Promise<string> }
>();

/**
 * What identifies models: the SHA-256 over the SHA-256 of each weight file, with the names of the file and
 * of its folder, in the order given.
 */
export async function modelDigest(...models: readonly WeightSource[]): Promise<string> {
  const digest = createHash('sha256');
  for (const model of models) digest.update(await linesOf(model));
  return `sha256:${digest.digest('hex')}`;
}

function linesOf(model: WeightSource): Promise<string> {
  const files = model.weightFiles.join('\n'); // which learned tokens change
  const known = linesOfModels.get(model);
  if (known?.files === files) return known.lines;
  const lines = hashFiles(model.weightFiles);
  linesOfModels.set(model, { files, lines });
  // A disk that was gone can come back.
  lines.catch(() => linesOfModels.delete(model));
  return lines;
}

async function hashFiles(files: readonly string[]): Promise<string> {
  let lines = '';
  for (const file of files) {
    const name = join(basename(dirname(file)), basename(file));
    lines += `${name} ${await fileDigest(file)}\n`;
  }
  return lines;
}

/** The SHA-256 of a file, in hexadecimal. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) hash.update(chunk);
  return hash.digest('hex');
}
