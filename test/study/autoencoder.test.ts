import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Autoencoder, Dataset, FeatureExtractor, study } from '../../src/index.js';
import { recipeFolder } from '../support/recipe.js';
import { writeTinyDenseNet } from '../support/tiny-densenet.js';
import { fits, visit, withoutBrowser } from './browser.js';
import { madeUpDataset, untrainedClassifier } from './images.js';

t.test('a study of a small autoencoder', async (t) => {
  const folder = t.testdir();
  const made = await madeUpDataset(join(folder, 'data'), 9);
  const options = {
    autoencoder: join(await recipeFolder('recipe-sd1'), 'vae'),
    randomWeights: true,
    datasets: { made },
    ...{ size: 64, batchSize: 4, examples: 2, images: 100 },
  };
  const result = await study.autoencoder({ ...options, output: join(folder, 'out') });
  const [set] = result.datasets;
  t.match(set, { name: 'made', images: 6, patients: 6 }, 'frontal images alone');
  const figures = set?.perImage ?? [];
  t.equal(figures.length, 6);
  const mean = figures.reduce((sum, { rmse }) => sum + rmse, 0) / 6;
  t.ok(Math.abs((set?.similarity.rmse.mean ?? 0) - mean) < 1e-12);
  t.ok(Number.isNaN(set?.similarity.msSsim.mean), 'too small for five scales');
  t.equal(set?.spectra.frequencies.at(-1), 0.5);
  set?.spectra.lost.forEach((lost, ring) => {
    if (ring > 0 && !(lost > 0)) t.fail(`ring ${ring}: ${lost}`);
  });

  const written = JSON.parse(await readFile(result.files.results, 'utf8'));
  t.equal(written.datasets[0].similarity.msSsim.mean, null);
  const html = await readFile(result.files.report, 'utf8');
  t.match(html, /Random weights/);
  const worst = Math.max(...figures.map(({ rmse }) => rmse));
  const id = figures.find(({ rmse }) => rmse === worst)?.id ?? '';
  t.match(html.slice(html.indexOf('Worst images of made</h2>')), new RegExp(`image ${id}</th>`));
  t.notMatch(html, folder, 'no path');

  const again = await study.autoencoder({
    ...options,
    batchSize: 3,
    output: join(folder, 'again'),
  });
  t.same(
    again.datasets[0]?.perImage.map(({ id }) => id),
    figures.map(({ id }) => id),
  );

  await t.test('in a browser', { skip: withoutBrowser }, async (t) => {
    for (const width of [1280, 400]) {
      await visit(result.files.report, width, async ({ page, complaints, requests }) => {
        t.ok(await fits(page), `${width} px`);
        t.equal(await page.locator('.enlarge').count(), 12, 'two kinds, two images, three columns');
        t.same({ complaints, requests }, { complaints: [], requests: [] });
      });
    }
  });
});

t.test('networks: distances with their floor, and labels before and after', async (t) => {
  const folder = t.testdir();
  const made = await madeUpDataset(join(folder, 'data'), 30);
  await writeTinyDenseNet(join(folder, 'densenet.safetensors'));
  using densenet = await FeatureExtractor.densenet(join(folder, 'densenet.safetensors'));
  const options = {
    autoencoder: join(await recipeFolder('recipe-sd1'), 'vae'),
    datasets: { made },
    ...{ size: 64, examples: 0, output: join(folder, 'out') },
    classifier: await untrainedClassifier(join(folder, 'classifier')),
    featureExtractors: { densenet },
  };
  const { datasets, files, configuration } = await study.autoencoder(options);
  const [set] = datasets as [study.DatasetReconstruction];
  const { distances, labels } = set.networks;
  t.same(
    distances.map(({ network }) => network),
    ['classifier', 'densenet'],
  );
  for (const { reconstructed, floor, acrossHalves } of distances) {
    t.same(reconstructed.counts, [20, 20]);
    t.equal((floor?.counts[0] ?? 0) + (floor?.counts[1] ?? 0), 20, 'two halves of all');
    t.same(acrossHalves?.counts, floor?.counts);
    t.ok(reconstructed.value > 0 && (floor?.value ?? 0) > 0);
  }
  t.same(
    labels.map(({ label }) => label),
    ['Effusion'],
    'what the data has and the classifier knows',
  );
  const { original, restored, difference } = labels[0] as study.LabelKept;
  t.match(original, { positives: 10, negatives: 10 });
  t.ok(Math.abs(restored.value - original.value - difference.value) < 1e-9);
  t.ok((difference.lower ?? 1) <= difference.value && difference.value <= (difference.upper ?? -1));
  t.match(configuration, { classifier: { labels: ['Effusion', 'Mass'], digest: /^sha256:/ } });
  const html = await readFile(files.report, 'utf8');
  t.match(html, /Fréchet distances in features of networks/);
  t.match(html, /What a classifier still sees/);
  t.notMatch(html, folder, 'no path');

  const known = await study.autoencoder({
    ...options,
    unmentioned: 'unknown',
    featureExtractors: {},
  });
  t.same(known.datasets[0]?.networks.labels, [], 'no negative is known');
  const wrong: [Partial<study.AutoencoderStudyOptions>, string][] = [
    [{ classifier: 'nowhere' }, 'ERR_MODEL_NOT_FOUND'],
    [{ classifier: 3 as never }, 'ERR_INVALID_ARG'],
    [{ featureExtractors: { x: {} as never } }, 'ERR_INVALID_ARG'],
  ];
  for (const [more, code] of wrong) {
    await t.rejects(study.autoencoder({ ...options, ...more }), { code });
  }
});

t.test('misuse', async (t) => {
  const folder = t.testdir();
  const made = await madeUpDataset(join(folder, 'data'), 3);
  const vae = join(await recipeFolder('recipe-sd1'), 'vae');
  const base = { autoencoder: vae, datasets: { made }, size: 64, output: join(folder, 'out') };
  const wrong: [Partial<study.AutoencoderStudyOptions>, string, RegExp][] = [
    [{ datasets: {} }, 'ERR_INVALID_ARG', /at least one/],
    [{ datasets: { x: [] as never } }, 'ERR_INVALID_ARG', /datasets\.x/],
    [{ datasets: { x: made.filter({ sex: 'F' }) } }, 'ERR_INVALID_ARG', /two frontal images/],
    [{ size: 60 }, 'ERR_SHAPE', /60/],
    [{ autoencoder: 'nowhere' }, 'ERR_MODEL_NOT_FOUND', /nowhere/],
    [{ fit: 'none' as never }, 'ERR_INVALID_ARG', /fit/],
    [{ imges: 1 } as never, 'ERR_INVALID_ARG', /imges/],
  ];
  for (const [options, code, message] of wrong) {
    await t.rejects(study.autoencoder({ ...base, ...options }), { code, message });
  }
  const loaded = await Autoencoder.load(vae);
  loaded.dispose();
  await t.rejects(study.autoencoder({ ...base, autoencoder: loaded }), { code: 'ERR_DISPOSED' });
  const reason = new Error('stop');
  await t.rejects(study.autoencoder({ ...base, signal: AbortSignal.abort(reason) }), reason);
  t.ok(made instanceof Dataset);
});
