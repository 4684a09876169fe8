import { createHash } from 'node:crypto';

/**
 * @internal A number from 0 to below 1 that follows from the seed, what it is for, and a sample's number: what is
 * drawn does not depend on when, or by which process.
 */
export function uniformOf(seed: bigint, purpose: string, sampleNumber: number): number {
  const digest = createHash('sha256').update(`${seed}:${purpose}:${sampleNumber}`).digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}
