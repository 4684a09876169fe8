/** What an event file holds, as far as training writes it. */
export interface ReadEvent {
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion: string | undefined;
  /** SessionLog's; 1 is START. */
  readonly sessionStatus: number | undefined;
  readonly values: {
    readonly tag: string;
    readonly scalar?: number;
    readonly image?: { readonly width: number; readonly height: number; readonly png: Buffer };
  }[];
}

/** Reads an event file of TensorBoard; throws where a checksum is wrong or a record is cut. */
export function readEvents(file: Buffer): ReadEvent[] {
  const events: ReadEvent[] = [];
  for (let place = 0; place < file.length; ) {
    const length = Number(file.readBigUInt64LE(place));
    require(file.readUInt32LE(place + 8) === maskedCrc32c(file.subarray(place, place + 8)));
    const content = file.subarray(place + 12, place + 12 + length);
    require(file.readUInt32LE(place + 12 + length) === maskedCrc32c(content));
    events.push(readEvent(content));
    place += length + 16;
  }
  return events;
}

function require(condition: boolean): void {
  if (!condition) throw new Error('a checksum is wrong');
}

function readEvent(content: Buffer): ReadEvent {
  const fields = readFields(content);
  return {
    wallTime: asBytes(fields.get(1)?.[0]).readDoubleLE(),
    step: asNumber(fields.get(2)?.[0]),
    fileVersion: fields.has(3) ? asBytes(fields.get(3)?.[0]).toString() : undefined,
    sessionStatus: fields.has(7)
      ? asNumber(readFields(asBytes(fields.get(7)?.[0])).get(1)?.[0])
      : undefined,
    values: (fields.get(5) ?? []).flatMap((summary) =>
      (readFields(asBytes(summary)).get(1) ?? []).map((value) => readValue(asBytes(value))),
    ),
  };
}

function readValue(content: Buffer): ReadEvent['values'][number] {
  const fields = readFields(content);
  const tag = asBytes(fields.get(1)?.[0]).toString();
  if (fields.has(2)) return { tag, scalar: asBytes(fields.get(2)?.[0]).readFloatLE() };
  const image = readFields(asBytes(fields.get(4)?.[0]));
  return {
    tag,
    image: {
      height: asNumber(image.get(1)?.[0]),
      width: asNumber(image.get(2)?.[0]),
      png: asBytes(image.get(4)?.[0]),
    },
  };
}

type Field = number | Buffer;

/** A protocol buffer's fields by number: integers as numbers, everything else as bytes. */
function readFields(content: Buffer): Map<number, Field[]> {
  const fields = new Map<number, Field[]>();
  let place = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = content.readUInt8(place++);
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  const bytes = (length: number) => {
    place += length;
    return content.subarray(place - length, place);
  };
  while (place < content.length) {
    const key = varint();
    const read = { 0: varint, 1: () => bytes(8), 2: () => bytes(varint()), 5: () => bytes(4) }[
      key % 8
    ];
    if (!read) throw new Error(`wire type ${key % 8}`);
    const number = Math.floor(key / 8);
    fields.set(number, [...(fields.get(number) ?? []), read()]);
  }
  return fields;
}

function asBytes(field: Field | undefined): Buffer {
  if (!Buffer.isBuffer(field)) throw new Error('expected bytes');
  return field;
}

function asNumber(field: Field | undefined): number {
  if (typeof field !== 'number') throw new Error('expected an integer');
  return field;
}

/** Bit by bit, so that it shares nothing with the writer's table. */
export function crc32c(content: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of content) {
    for (let bit = 0; bit < 8; bit++) {
      const odd = (crc ^ (byte >>> bit)) & 1;
      crc = (crc >>> 1) ^ (odd ? 0x82f63b78 : 0);
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** TFRecord's: turned right by 15 bits, plus a constant. */
export function maskedCrc32c(content: Uint8Array): number {
  const crc = BigInt(crc32c(content));
  const turned = (crc >> 15n) | ((crc << 17n) & 0xffffffffn);
  return Number((turned + 0xa282ead8n) & 0xffffffffn);
}
