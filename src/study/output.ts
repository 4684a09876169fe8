import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LatentrayError, version } from '../index.js';
import { reportHtml } from './report/page.js';
import type { Report } from './report/report.js';

/** Where a study's files lie. */
export interface StudyFiles {
  /** Every figure, as JSON. */
  readonly results: string;
  /** One page that opens from the disk. */
  readonly report: string;
}

/** Makes the folder before the work, so that a wrong one loses nothing. */
export async function makeOutput(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((cause) => {
    throw writeError(folder, cause);
  });
}

/** Writes results.json and report.html, each whole or not at all. */
export async function writeStudy(
  folder: string,
  results: unknown,
  report: Report,
): Promise<StudyFiles> {
  const files = { results: join(folder, 'results.json'), report: join(folder, 'report.html') };
  const html = await reportHtml(report);
  await writeWhole(files.results, `${JSON.stringify(results, jsonValue, 2)}\n`);
  await writeWhole(files.report, html);
  return files;
}

/** What a study was made with. */
export function environmentFacts(): Record<string, unknown> {
  return {
    latentray: version.latentray,
    libtorch: version.libtorch,
    node: process.version,
    madeAt: new Date().toISOString(),
  };
}

/** JSON has neither NaN nor infinities; a figure that was not measured is null. */
function jsonValue(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'number' || Number.isFinite(value)) return value;
  return Number.isNaN(value) ? null : String(value);
}

async function writeWhole(path: string, content: string): Promise<void> {
  const temporary = `${path}.partial-${process.pid}`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw writeError(path, cause);
  }
}

function writeError(path: string, cause: unknown): LatentrayError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new LatentrayError('ERR_WRITE', `${path}: cannot be written (${code ?? message})`, {
    cause,
    path,
  });
}
