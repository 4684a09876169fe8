/** The page's script: headings sort, images enlarge, arrows turn the pages of the viewer. */
export const script = `
(() => {
  const key = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) return cell.textContent;
    return cell.dataset.value === '' ? null : Number(cell.dataset.value);
  };
  const compare = (a, b) =>
    typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
  const sort = (table, heading) => {
    const column = heading.cellIndex;
    const falls = heading.getAttribute('aria-sort') === 'descending';
    const direction = falls ? 'ascending' : 'descending';
    for (const other of heading.parentNode.cells) other.removeAttribute('aria-sort');
    heading.setAttribute('aria-sort', direction);
    const rows = [...table.tBodies[0].rows].map((row) => [key(row, column), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return direction === 'ascending' ? compare(a, b) : compare(b, a);
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll('table.sortable')) {
    for (const heading of table.tHead.rows[0].cells) {
      heading.firstElementChild.addEventListener('click', () => sort(table, heading));
    }
  }

  const viewer = document.getElementById('viewer');
  const buttons = [...document.querySelectorAll('.enlarge')];
  let shown = 0;
  const show = (index) => {
    shown = (index + buttons.length) % buttons.length;
    viewer.querySelector('img').src = buttons[shown].firstElementChild.src;
    viewer.querySelector('img').alt = buttons[shown].dataset.caption;
    viewer.querySelector('p').textContent = buttons[shown].dataset.caption;
    if (!viewer.open) viewer.showModal();
  };
  buttons.forEach((button, index) => button.addEventListener('click', () => show(index)));
  viewer.querySelector('.close').addEventListener('click', () => viewer.close());
  viewer.addEventListener('click', (event) => event.target === viewer && viewer.close());
  viewer.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowRight') show(shown + 1);
    if (event.key === 'ArrowLeft') show(shown - 1);
  });
})();
`;
