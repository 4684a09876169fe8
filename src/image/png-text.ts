// Text chunks of PNG files (PNG specification, third edition, section 11.3.3): sharp writes none, and they
// are what image viewers and Python's `Image.open(path).info` show.

const signatureLength = 8;

/** The header chunk always comes first: length, type, 13 bytes of data, checksum. */
const afterHeader = signatureLength + 4 + 4 + 13 + 4;

/**
 * Inserts a UTF-8 text chunk for each entry.
 *
 * @param png - A PNG file.
 * @param texts - Keyword (1 to 79 Latin-1 characters) to text.
 */
export function insertPngTexts(png: Buffer, texts: Readonly<Record<string, string>>): Buffer {
  const chunks = Object.entries(texts).map(([keyword, text]) =>
    chunk(
      'iTXt',
      // Keyword, not compressed, no language, no translated keyword, text.
      Buffer.concat([Buffer.from(`${keyword}\0\0\0\0\0`, 'latin1'), Buffer.from(text, 'utf8')]),
    ),
  );
  return Buffer.concat([png.subarray(0, afterHeader), ...chunks, png.subarray(afterHeader)]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}

// node:zlib has crc32 from Node 20.15 on only.
function crc32(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; ++bit) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
