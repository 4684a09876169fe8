import t from 'tap';
import { Autoencoder, Image, reconstruct } from '../../src/index.js';
import { recipeFolder } from '../support/recipe.js';

t.test('reconstructions have the size of their originals and say what they are', async (t) => {
  using vae = await Autoencoder.load(await recipeFolder('recipe-taesd'));
  const image = new Image({
    width: 32,
    height: 24,
    channels: 1,
    data: new Uint8Array(32 * 24).fill(99),
  });
  const [first] = await reconstruct(vae, [image]);
  t.match(first, { width: 32, height: 24, channels: 1 });
  t.match(first?.provenance, { synthetic: true, settings: { kind: 'reconstruction' } });
  t.same(await reconstruct(vae, []), []);
  await t.rejects(reconstruct(vae, [{} as Image]), { code: 'ERR_INVALID_ARG' });
  const odd = new Image({ width: 30, height: 24, channels: 1, data: new Uint8Array(30 * 24) });
  await t.rejects(reconstruct(vae, [image, odd]), { code: 'ERR_INVALID_ARG' });
  await t.rejects(reconstruct(vae, [odd]), { code: 'ERR_SHAPE' });
  const sized = await reconstruct(vae, [image, odd], {
    size: { width: 64, height: 64, fit: 'letterbox' },
  });
  t.equal(sized.length, 2);
  t.match(sized[1], { width: 64, height: 64 });
});
