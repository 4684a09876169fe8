import { escapeHtml } from './escape.js';
import type { PlotSection, PlotSpec } from './report.js';

/** Pixels; what scales down to a telephone's width has letters that nobody can read. */
const widths = { wide: 760, narrow: 340 } as const;

/** Told apart on white, on black, and by most eyes. */
const colours = ['#3f7fd6', '#d97a1e', '#27967f', '#b64a92', '#8168d0', '#8a8a2e', '#c4504a'];

const text = { labelColor: 'currentColor', titleColor: 'currentColor', labelFontSize: 12 };

/** Lines and letters take the page's colour, so that one drawing serves a light and a dark page. */
const config = {
  background: null,
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  range: { category: colours },
  axis: {
    ...text,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    domainColor: 'currentColor',
    domainOpacity: 0.4,
    tickColor: 'currentColor',
    tickOpacity: 0.4,
    gridColor: 'currentColor',
    gridOpacity: 0.12,
  },
  legend: { ...text, title: null, orient: 'top', symbolStrokeWidth: 3, labelLimit: 260 },
  header: text,
  title: { color: 'currentColor', fontSize: 13, fontWeight: 600, anchor: 'start' },
  line: { strokeWidth: 2 },
  text: { color: 'currentColor' },
};

/** A legend above the plot, one name a line where they would not stand side by side. */
export function legendFor(names: readonly string[], width: number): Record<string, unknown> {
  const letters = Math.max(1, ...names.map((name) => name.length)) * names.length;
  const needed = 7 * letters + 40 * names.length;
  const columns =
    needed <= width ? names.length : Math.max(1, Math.floor((names.length * width) / needed));
  return { columns, labelLimit: width - 40 };
}

/** The plot as two drawings, of which a style sheet shows the one that fits. */
export async function plotHtml({ spec, description }: PlotSection): Promise<string> {
  const drawings = await Promise.all(
    Object.entries(widths).map(async ([name, width]) => {
      const svg = await svgOf(spec(width), width);
      return `<div class="plot ${name}" role="img" aria-label="${escapeHtml(description)}">${svg}</div>`;
    }),
  );
  return drawings.join('\n');
}

/** Vega measures text by estimate where there is no canvas. */
async function svgOf(spec: PlotSpec, width: number): Promise<string> {
  const [{ compile }, { Error: level, logger, parse, View }] = await Promise.all([
    import('vega-lite'),
    import('vega'),
  ]);
  const whole: unknown = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width,
    autosize: { type: 'fit', contains: 'padding' },
    ...spec,
    config,
  };
  const compiled = compile(whole as Parameters<typeof compile>[0], { logger: logger(level) });
  const view = new View(parse(compiled.spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
