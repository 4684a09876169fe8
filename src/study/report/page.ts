import { escapeHtml } from './escape.js';
import { gridHtml } from './grid.js';
import { script } from './page-script.js';
import { style } from './page-style.js';
import { plotHtml } from './plot.js';
import type { Report, Section } from './report.js';
import { tableHtml } from './table.js';

/** Nothing may be fetched: the page holds all that it shows. */
const policy =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

const warning =
  'Research only. Nothing here is a medical device, and no image or figure of this page is fit for diagnosis.';

/** A page that opens from the disk, without a network. */
export async function reportHtml(report: Report): Promise<string> {
  const { title, summary, notices, sections, configuration } = report;
  const bodies: string[] = [];
  for (const [index, section] of sections.entries()) {
    bodies.push(await sectionHtml(section, index));
  }
  const links = sections.map(
    (section, index) => `<li><a href="#section-${index}">${escapeHtml(section.title)}</a></li>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(summary)}</p>
<p class="warning">${warning}</p>
${notices.map((notice) => `<p class="notice">${escapeHtml(notice)}</p>`).join('\n')}
</header>
<nav aria-label="Contents"><ol>${links.join('')}<li><a href="#configuration">Configuration</a></li></ol></nav>
<main>
${bodies.join('\n')}
<section id="configuration">
<h2>Configuration</h2>
<p>All that the figures follow from: options, seeds, digests (SHA-256), versions.</p>
<pre tabindex="0">${escapeHtml(JSON.stringify(configuration, null, 2))}</pre>
</section>
</main>
<dialog id="viewer"><button type="button" class="close" aria-label="Close">×</button><img alt=""><p></p></dialog>
<script>${script}</script>
</body>
</html>
`;
}

async function sectionHtml(section: Section, index: number): Promise<string> {
  const heading = `<h2>${escapeHtml(section.title)}</h2>`;
  return `<section id="section-${index}">\n${heading}\n${await contentHtml(section)}\n</section>`;
}

async function contentHtml(section: Section): Promise<string> {
  switch (section.kind) {
    case 'prose':
      return section.paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`).join('\n');
    case 'table':
      return `${tableHtml(section)}\n${caveatHtml(section)}`;
    case 'plot':
      return `${await plotHtml(section)}\n${caveatHtml(section)}`;
    case 'grid':
      return `${await gridHtml(section)}\n${caveatHtml(section)}`;
  }
}

function caveatHtml({ n, caveat }: { readonly n: string; readonly caveat: string }): string {
  return `<p class="caveat"><span class="count">n = ${escapeHtml(n)}</span> ${escapeHtml(caveat)}</p>`;
}
