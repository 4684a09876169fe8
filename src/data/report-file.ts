import { open } from 'node:fs/promises';

/** Far above any report: a file of this size is something else. */
const maxBytes = 2 ** 20;

/** The text of one report. Throws for what cannot be read, and for what is too large to be one. */
export async function readReportFile(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size > maxBytes)
      throw new Error(`a report of at most ${maxBytes} bytes was expected, not ${size}`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
