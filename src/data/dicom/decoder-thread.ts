// What a decoder's thread runs: one file after the other, as decoder-threads.ts sends them.

import { open } from 'node:fs/promises';
import { parentPort } from 'node:worker_threads';
import { LatentrayError } from '../../errors.js';
import { type DecodeSettings, type DicomImage, decodeDicom } from './decode.js';
import { damaged } from './errors.js';

/** A file to decode: a path, or its bytes. */
export interface DecodeRequest {
  readonly source: string | Uint8Array;
  readonly settings: DecodeSettings;
}

/** What became of it. */
export type DecodeReply =
  | { readonly image: DicomImage }
  | { readonly failure: { readonly code: string; readonly message: string; package?: string } };

/** Larger than any radiograph, and the most that Node reads at once. */
const maxFileBytes = 2 ** 31 - 1;

parentPort?.on('message', async ({ source, settings }: DecodeRequest) => {
  try {
    const image = await decodeDicom(await readBytes(source), settings);
    const reply: DecodeReply = { image };
    parentPort?.postMessage(reply, [image.pixels.buffer as ArrayBuffer]);
  } catch (error) {
    const { code, message, package: missing } = error as LatentrayError & { package?: string };
    const reply: DecodeReply = { failure: { code, message, ...(missing && { package: missing }) } };
    parentPort?.postMessage(reply);
  }
});

async function readBytes(source: string | Uint8Array): Promise<Buffer> {
  if (typeof source !== 'string') {
    return Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  }
  try {
    await using file = await open(source);
    const status = await file.stat();
    const { size } = status;
    if (!status.isFile()) throw damaged('this is no file');
    if (size > maxFileBytes)
      throw damaged(`the file has ${size} bytes; expected at most ${maxFileBytes}`);
    return await file.readFile();
  } catch (cause) {
    if (LatentrayError.isInstance(cause)) throw cause;
    throw damaged(`it cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
}
