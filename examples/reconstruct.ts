// What an autoencoder keeps of radiographs: figures, and a sheet to look at.
//
//   node examples/reconstruct.ts <autoencoder folder> <sheet.png> <image …>
import { basename } from 'node:path';
import {
  Autoencoder,
  contactSheet,
  differenceImage,
  fitImage,
  Image,
  metrics,
  reconstruct,
} from 'latentray';

const [model, sheetFile, ...files] = process.argv.slice(2);
if (!model || !sheetFile || files.length === 0) {
  throw new Error('usage: reconstruct.ts <autoencoder folder> <sheet.png> <image …>');
}

const autoencoder = await Autoencoder.load(model);
const rows = [];
for (const file of files) {
  // Letterboxing keeps the whole radiograph and its proportions.
  const image = await Image.read(file);
  const original = await fitImage(image, { width: 256, height: 256, fit: 'letterbox' });
  const [restored] = await reconstruct(autoencoder, [original]);
  if (!restored) throw new Error(`${file}: no reconstruction`);
  const [[psnr = 0], [ssim = 0]] = await Promise.all([
    metrics.psnr(original, restored),
    metrics.ssim(original, restored),
  ]);
  const label = `${basename(file)}  ${psnr.toFixed(2)} dB  SSIM ${ssim.toFixed(4)}`;
  console.log(label);
  rows.push({ label, images: [original, restored, differenceImage(original, restored, 8)] });
}
autoencoder.dispose();

const sheet = await contactSheet({ columns: ['original', 'restored', 'difference × 8'], rows });
await sheet.save(sheetFile);
