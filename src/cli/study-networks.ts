import { FeatureExtractor } from '../index.js';

/** The networks that studies measure sets of images with, for commander. */
export const classifierFlag = [
  '--classifier <folder>',
  'a classifier of real images: for distances in its features, and what it sees',
] as const;

export const inceptionFlag = [
  '--inception <file>',
  "FID's network, or torchvision's Inception v3: for distances in its features",
] as const;

/** Dispose of them. */
export async function openInception(
  path: string | undefined,
  device: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly extractors: Record<string, FeatureExtractor> } & Disposable> {
  if (path === undefined) return { extractors: {}, [Symbol.dispose]() {} };
  const inception = await FeatureExtractor.inception(path, { device, signal });
  return { extractors: { inception }, [Symbol.dispose]: () => inception.dispose() };
}
