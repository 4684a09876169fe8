import type { Image } from '../../index.js';
import { escapeHtml } from './escape.js';
import type { GridRow, GridSection } from './report.js';

/** Images with a heading over each column; each is a button that enlarges it. */
export async function gridHtml({ title, columns, rows }: GridSection): Promise<string> {
  const heads = columns.map((name) => `<th scope="col">${escapeHtml(name)}</th>`).join('');
  const lines = await Promise.all(rows.map((row) => rowHtml(row, columns)));
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(title)}"><table class="grid">
<thead><tr>${heads}</tr></thead>
<tbody>${lines.join('\n')}</tbody></table></div>`;
}

async function rowHtml({ label, images }: GridRow, columns: readonly string[]): Promise<string> {
  const cells = await Promise.all(
    columns.map(async (column, index) => {
      const image = images[index];
      return `<td>${image ? await buttonHtml(image, `${label}, ${column}`) : '–'}</td>`;
    }),
  );
  return `<tr class="label"><th scope="rowgroup" colspan="${columns.length}">${escapeHtml(label)}</th></tr>
<tr>${cells.join('')}</tr>`;
}

async function buttonHtml(image: Image, caption: string): Promise<string> {
  const name = escapeHtml(caption);
  const { width, height } = image;
  return `<button type="button" class="enlarge" data-caption="${name}"><img src="${await dataUri(image)}" width="${width}" height="${height}" alt="${name}"></button>`;
}

/** PNG: another format's own losses would be taken for the model's. */
async function dataUri(image: Image): Promise<string> {
  return `data:image/png;base64,${(await image.toBuffer('png')).toString('base64')}`;
}
