/** The page's style sheet. Colours follow the reader's system. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1b1f24; --soft: #59636e; --line: #d5dae0; --shade: #f4f6f8;
  --accent: #1f5fae; --notice: #fff4d6; --notice-line: #d9a200;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171b; --ink: #e6e9ed; --soft: #9aa4af; --line: #333a42; --shade: #1d2228;
    --accent: #7db3f2; --notice: #352b10; --notice-line: #b58900;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 72rem; padding: 1.5rem 1.25rem 4rem; background: var(--page);
  color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
}
h1 { margin: 0 0 .5rem; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 2.75rem 0 .75rem; font-size: 1.2rem; line-height: 1.3; }
p { max-width: 46rem; margin: .5rem 0; overflow-wrap: anywhere; }
a { color: var(--accent); }
.warning { color: var(--soft); }
.notice {
  border-left: 4px solid var(--notice-line); background: var(--notice); padding: .6rem .9rem;
}
nav ol { columns: 17rem; column-gap: 2rem; margin: 1.25rem 0 0; padding-left: 1.5rem; font-size: .9rem; }
nav li { break-inside: avoid; }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: .9rem; }
.sortable td, .sortable tbody th { padding: .3rem .75rem; border-bottom: 1px solid var(--line); }
.sortable tbody th { text-align: left; font-weight: 500; min-width: 13rem; }
.sortable td:not(.number) { min-width: 7rem; }
.sortable tbody tr:hover { background: var(--shade); }
.sortable thead th { padding: 0; border-bottom: 2px solid var(--line); vertical-align: bottom; }
.sortable thead button {
  width: 100%; padding: .35rem .75rem; border: 0; background: none; color: inherit; font: inherit;
  font-weight: 600; text-align: left; cursor: pointer;
}
.sortable thead .number button { text-align: right; }
.sortable thead button::after { content: ""; display: inline-block; width: .9em; text-align: right; color: var(--accent); }
.sortable [aria-sort="ascending"] button::after { content: "↑"; }
.sortable [aria-sort="descending"] button::after { content: "↓"; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.caveat { color: var(--soft); font-size: .9rem; }
.count { color: var(--ink); font-weight: 600; margin-right: .35rem; }
.plot svg { display: block; max-width: 100%; height: auto; }
.plot.narrow { display: none; }
.grid td { padding: .15rem .3rem .15rem 0; vertical-align: top; }
.grid th { padding: .5rem .3rem .15rem 0; text-align: left; font-weight: 600; }
.grid .label th { font-weight: 400; color: var(--soft); overflow-wrap: anywhere; }
.enlarge { display: block; padding: 0; border: 0; background: none; cursor: zoom-in; }
.enlarge img { display: block; width: 11rem; height: auto; image-rendering: auto; }
button:focus-visible, .scroll:focus-visible, pre:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
pre { overflow: auto; max-height: 32rem; padding: .9rem; background: var(--shade); font-size: .8rem; line-height: 1.45; }
dialog { max-width: 96vw; max-height: 96vh; padding: 1rem; border: 1px solid var(--line); background: var(--page); color: var(--ink); }
dialog::backdrop { background: rgb(0 0 0 / .7); }
dialog img { display: block; width: min(86vw, 78vh); height: auto; image-rendering: pixelated; }
dialog p { margin: .6rem 0 0; }
.close { float: right; border: 0; background: none; color: inherit; font-size: 1.6rem; line-height: 1; cursor: pointer; }
@media (max-width: 820px) {
  .plot.wide { display: none; }
  .plot.narrow { display: block; }
}
@media (max-width: 560px) {
  body { padding: 1rem .9rem 3rem; }
  h1 { font-size: 1.4rem; }
  .enlarge img { width: 6.6rem; }
  .sortable tbody th { min-width: 8.5rem; }
  .sortable td, .sortable tbody th, .sortable thead button { padding-left: .45rem; padding-right: .45rem; }
}
@media print { nav, dialog { display: none; } }
`;
