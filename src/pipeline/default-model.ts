import { join } from 'node:path';
import { packageRoot } from '../native/package-root.js';

/** The folder of the small chest-radiograph model that comes with the package. */
export const defaultModelFolder = join(packageRoot, 'models', 'default');

/** What suits the default model where a caller says nothing: fewer steps and less guidance than a large one. */
export const defaultModelSettings = { steps: 25, guidanceScale: 2 } as const;
