import { createHash } from 'node:crypto';

/** @internal SHA-256 over the parts, told apart by their lengths. */
export function digestOfParts(...parts: readonly string[]): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(parts)).digest('hex')}`;
}

/** @internal Where in a folder of caches that of a digest lies. */
export function folderOfDigest(digest: string): string {
  return digest.replace('sha256:', '').slice(0, 16);
}

/** @internal Says on stderr that a part of a cache is made anew. */
export function warnOfRebuild(reason: string): void {
  console.error(`latentray: ${reason}; it is made anew`);
}
