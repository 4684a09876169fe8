/** This module's own path; module-path.ts is its ESM form. */
export const modulePath = __filename;
