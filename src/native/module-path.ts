import { fileURLToPath } from 'node:url';

// tshy shows this file to the CommonJS compiler too, before it puts module-path-cjs.cts in its place.
// biome-ignore lint/suspicious/noTsIgnore: an error under CommonJS only, so none can be expected
// @ts-ignore
export const modulePath = fileURLToPath(import.meta.url);
