import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { fitImage } from '../../src/image/fit-images.js';
import { Image, readProvenance } from '../../src/image/image.js';
import type { Provenance } from '../../src/image/provenance.js';

const provenance: Provenance = {
  synthetic: true,
  software: 'latentray 1.2.3',
  modelDigest: 'sha256:0123',
  prompt: 'lung <x-ray> & "effusion" naïve 🫁 \u0001 \ufffe ]]> </latentray:Provenance>',
  negativePrompt: '',
  seed: 2n ** 63n + 1n,
  settings: { steps: 50, scheduler: 'DDIMScheduler', clip: null, seeds: [1, 2] },
};
// U+FFFE has no place in XML.
const expected = { ...provenance, prompt: provenance.prompt?.replace('\ufffe', '\ufffd') };

const synthetic = new Image({
  width: 8,
  height: 8,
  channels: 1,
  data: new Uint8Array(64).fill(100),
  provenance,
});

for (const name of ['a.png', 'a.jpg', 'a.webp']) {
  t.test(`${name} says where it comes from, to this library and to others`, async (t) => {
    const path = join(t.testdir(), name);
    await synthetic.save(path);
    t.strictSame(await readProvenance(path), expected);
    const read = await Image.read(path);
    t.strictSame(read.provenance, expected, 'the image read keeps it');

    const { exif, xmp } = await sharp(path).metadata();
    t.match(
      exif?.toString('latin1'),
      /Synthetic image made by a generative model \(latentray 1\.2\.3\)/,
    );
    t.match(xmp?.toString(), /trainedAlgorithmicMedia/);

    await read.save(join(path, '..', `again-${name}`));
    t.strictSame(await readProvenance(join(path, '..', `again-${name}`)), expected, 'saved again');
  });
}

t.test("a PNG's text chunks are well formed and hold the whole provenance", async (t) => {
  const png = await synthetic.toBuffer('png');
  const texts = new Map<string, string>();
  const types: string[] = [];
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    types.push(type);
    const data = png.subarray(at + 8, at + 8 + length);
    if (type === 'iTXt') {
      const end = data.indexOf(0);
      texts.set(data.toString('latin1', 0, end), data.toString('utf8', end + 5));
    }
    at += 12 + length;
  }
  t.equal(types[0], 'IHDR');
  t.equal(types.at(-1), 'IEND');
  t.equal(texts.get('Software'), 'latentray 1.2.3');
  t.equal(texts.get('Synthetic'), 'true');
  t.match(texts.get('Disclaimer'), /does not show a patient/);
  t.match(JSON.parse(texts.get('latentray') ?? ''), {
    prompt: provenance.prompt,
    seed: '9223372036854775809',
  });
  // libpng checks the checksums: a wrong one fails the strict decoder.
  await sharp(png, { failOn: 'warning' }).raw().toBuffer();
});

t.test('an image made smaller stays synthetic', async (t) => {
  const small = await fitImage(synthetic, { width: 4, height: 4, fit: 'stretch' });
  t.strictSame(small.provenance, provenance);
});

t.test('files without a provenance, and with another library’s XMP, say nothing', async (t) => {
  const plain = await sharp(await synthetic.toBuffer('png'))
    .png()
    .toBuffer();
  t.equal(await readProvenance(plain), undefined);
  const foreign = await sharp(plain)
    .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"/>')
    .png()
    .toBuffer();
  t.equal(await readProvenance(foreign), undefined);
  await t.rejects(readProvenance(Buffer.from('junk')), { code: 'ERR_IMAGE_DECODE' });
});

t.test('a damaged provenance is named', async (t) => {
  const plain = sharp(Buffer.alloc(4), { raw: { width: 2, height: 2, channels: 1 } });
  for (const text of ['{', '{"synthetic":false}', '7']) {
    const xmp = `<x xmlns:latentray="x"><latentray:Provenance>${text}</latentray:Provenance></x>`;
    const file = await plain.clone().withXmp(xmp).png().toBuffer();
    await t.rejects(readProvenance(file), { code: 'ERR_IMAGE_DECODE', message: /is damaged/ });
    await t.rejects(Image.read(file), { code: 'ERR_IMAGE_DECODE' });
  }
});
