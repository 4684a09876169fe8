import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import t from 'tap';
import { Image } from '../../src/index.js';
import { reportHtml } from '../../src/study/report/page.js';
import type { Report } from '../../src/study/report/report.js';
import { fits, visit, withoutBrowser } from './browser.js';

const hostile = `<script>alert("x")</script>&'`;

function ramp(scale: number): Image {
  const pixels = Float32Array.from({ length: 64 * 64 }, (_, i) => ((i % 64) / 64) * scale);
  return Image.fromPixels(pixels, { width: 64, height: 64, channels: 1 });
}

const report: Report = {
  title: `A report ${hostile}`,
  summary: hostile,
  notices: ['Random weights.', hostile],
  sections: [
    { kind: 'prose', title: 'Words', paragraphs: [hostile] },
    {
      kind: 'table',
      title: 'Figures',
      columns: [{ name: 'name' }, { name: 'figure', digits: 1 }, { name: hostile }],
      rows: [
        ['b', 2, 'x'],
        ['a', 10, hostile],
        ['d', null, 'y'],
        ['c', -1, 'z'],
        ['e', Number.POSITIVE_INFINITY, 'z'],
      ],
      n: '5',
      caveat: hostile,
    },
    {
      kind: 'plot',
      title: 'Points',
      description: hostile,
      spec: () => ({
        data: { values: [{ x: 1, y: 2, name: hostile }] },
        mark: 'point',
        encoding: {
          x: { field: 'x', type: 'quantitative' },
          y: { field: 'y', type: 'quantitative' },
          color: { field: 'name', type: 'nominal' },
        },
      }),
      n: '1',
      caveat: 'None.',
    },
    {
      kind: 'grid',
      title: 'Images',
      columns: ['first', hostile],
      rows: [
        { label: hostile, images: [ramp(1), ramp(0.5)] },
        { label: 'one', images: [ramp(0.2), null] },
      ],
      n: '3',
      caveat: 'None.',
    },
  ],
  configuration: { seed: 1, note: hostile },
};

t.test('what is written is text, and nothing of it is markup', async (t) => {
  const html = await reportHtml(report);
  t.equal(html.match(/<script/g)?.length, 1, 'one script: the page’s own');
  t.notMatch(html, /<script>alert/);
  t.equal(html.match(/<svg/g)?.length, 2, 'a wide and a narrow drawing');
  t.equal(html.match(/src="data:image\/png/g)?.length, 3);
  t.notMatch(html, /(?:src|href)="(?!data:|#)/, 'no address but what the page holds');
  t.match(html, /data-value="10">10\.0</);
  t.match(html, />−1\.0</);
  t.match(html, /n = 5/);
});

t.test('in a browser', { skip: withoutBrowser }, async (t) => {
  const file = join(t.testdir(), 'report.html');
  await writeFile(file, await reportHtml(report));
  for (const width of [1280, 400]) {
    await visit(file, width, async ({ page, complaints, requests }) => {
      t.same(await columnOf(page, 0), ['b', 'a', 'd', 'c', 'e']);
      const figures = page.getByRole('button', { name: 'figure' });
      await figures.click();
      t.same(
        await columnOf(page, 0),
        ['e', 'a', 'b', 'c', 'd'],
        'the largest first, what is missing last',
      );
      t.equal(await page.locator('th[aria-sort="descending"]').count(), 1);
      await figures.click();
      t.same(await columnOf(page, 0), ['c', 'b', 'a', 'e', 'd']);

      await page.locator('.enlarge').first().click();
      const viewer = page.locator('dialog[open]');
      t.match(await viewer.locator('p').textContent(), 'first');
      await page.keyboard.press('ArrowLeft');
      t.match(await viewer.locator('p').textContent(), 'one');
      await page.keyboard.press('Escape');
      t.equal(await viewer.count(), 0, 'closed');

      t.equal(await page.locator('.plot svg:visible').count(), 1, 'one of the two drawings');
      t.ok(await fits(page), `nothing is wider than ${width} px`);
      t.same({ complaints, requests }, { complaints: [], requests: [] });
    });
  }
});

function columnOf(page: Page, index: number): Promise<string[]> {
  const cells = `table.sortable tbody tr > :nth-child(${index + 1})`;
  return page.locator(cells).allTextContents();
}
