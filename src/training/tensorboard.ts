import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { writeError } from './atomic-files.js';

/** @internal A picture as TensorBoard shows it. */
export interface TensorBoardImage {
  readonly width: number;
  readonly height: number;
  readonly png: Uint8Array;
}

/**
 * @internal Event files that TensorBoard reads: records with CRC-32C around protocol buffers
 * (tensorflow/core/util/event.proto and summary.proto; no package on npm writes them).
 */
export class TensorBoardLog {
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * A new file in the folder: TensorBoard reads all of a folder's files as one run, and forgets what they say of
   * steps after `step`, which a killed process had made and which come again.
   */
  static async open(folder: string, step: number): Promise<TensorBoardLog> {
    const seconds = Math.floor(Date.now() / 1000);
    const name = `events.out.tfevents.${seconds}.latentray.${process.pid}`;
    const path = join(folder, name);
    try {
      await mkdir(folder, { recursive: true });
      const log = new TensorBoardLog(path, await open(path, 'a'));
      await log.#write(event(0, bytesField(3, Buffer.from('brain.Event:2'))));
      if (step > 0) await log.#write(event(step + 1, bytesField(7, integerField(1, sessionStart))));
      return log;
    } catch (error) {
      throw writeError(path, error);
    }
  }

  async scalars(step: number, values: Readonly<Record<string, number>>): Promise<void> {
    const parts = Object.entries(values).map(([tag, value]) =>
      bytesField(1, Buffer.concat([bytesField(1, Buffer.from(tag)), floatField(2, value)])),
    );
    await this.#write(event(step, bytesField(5, Buffer.concat(parts))));
  }

  async image(step: number, tag: string, { width, height, png }: TensorBoardImage): Promise<void> {
    const picture = [
      integerField(1, height),
      integerField(2, width),
      integerField(3, 3),
      bytesField(4, png),
    ];
    const value = [bytesField(1, Buffer.from(tag)), bytesField(4, Buffer.concat(picture))];
    await this.#write(event(step, bytesField(5, bytesField(1, Buffer.concat(value)))));
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #write(content: Buffer): Promise<void> {
    try {
      await this.#file.appendFile(record(content));
    } catch (error) {
      throw writeError(this.#path, error);
    }
  }
}

/** SessionLog.START: what comes from its step on is not valid any more. */
const sessionStart = 1;

/** Length, its checksum, the content, its checksum. */
function record(content: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(content.length));
  return Buffer.concat([length, checksum(length), content, checksum(content)]);
}

function event(step: number, what: Buffer): Buffer {
  const time = Buffer.alloc(9);
  time[0] = (1 << 3) | 1;
  time.writeDoubleLE(Date.now() / 1000, 1);
  return Buffer.concat([time, integerField(2, step), what]);
}

function integerField(field: number, value: number): Buffer {
  return Buffer.concat([varint(field << 3), varint(value)]);
}

function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = (field << 3) | 5;
  bytes.writeFloatLE(value, 1);
  return bytes;
}

function bytesField(field: number, value: Uint8Array): Buffer {
  return Buffer.concat([varint((field << 3) | 2), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** Castagnoli's polynomial, reflected. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** CRC-32C, turned and shifted so that a checksum of checksums is none of zeros (TFRecord's "mask"). */
function checksum(content: Uint8Array): Buffer {
  let crc = 0xffffffff;
  for (const byte of content) crc = (table[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  crc = (crc ^ 0xffffffff) >>> 0;
  const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(masked);
  return bytes;
}
