import { escapeHtml } from './escape.js';
import type { CellValue, Column, TableSection } from './report.js';

/** A table whose headings are buttons that sort it. */
export function tableHtml({ title, columns, rows }: TableSection): string {
  const numeric = columns.map((_, index) => rows.some((row) => typeof row[index] === 'number'));
  const heads = columns.map(
    ({ name }, index) =>
      `<th scope="col"${numeric[index] ? ' class="number"' : ''}><button type="button">${escapeHtml(name)}</button></th>`,
  );
  const lines = rows.map((row) => {
    const cells = columns.map((column, index) => cellHtml(row[index] ?? null, column, index));
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(title)}"><table class="sortable">
<thead><tr>${heads.join('')}</tr></thead>
<tbody>${lines.join('\n')}</tbody></table></div>`;
}

function cellHtml(value: CellValue, { digits = 3 }: Column, index: number): string {
  if (typeof value === 'string') {
    const tag = index === 0 ? 'th scope="row"' : 'td';
    return `<${tag}>${escapeHtml(value)}</${tag.slice(0, 2)}>`;
  }
  if (value === null || Number.isNaN(value)) {
    return '<td class="number" data-value=""><span title="not measured">–</span></td>';
  }
  return `<td class="number" data-value="${value}">${figure(value, digits)}</td>`;
}

/** A figure as people read it. */
export function figure(value: number, digits: number): string {
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  return value.toFixed(digits).replace('-', '−');
}
