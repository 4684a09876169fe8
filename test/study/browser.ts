import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = process.env.LATENTRAY_CHROMIUM ?? places.find((path) => existsSync(path));

/** A `skip` option for tap: false, or why. */
export const withoutBrowser = executablePath
  ? false
  : 'no Chromium is here: apt-get install chromium, or name one in LATENTRAY_CHROMIUM';

/** What a page did that a page from the disk must not do. */
export interface Visit {
  readonly page: Page;
  /** Errors and warnings of the console, and exceptions. */
  readonly complaints: string[];
  /** Addresses that were asked for, but for the page itself and what it holds. */
  readonly requests: string[];
}

/** Opens a file in a browser of its own, at a width, and gives it to `look`. */
export async function visit(
  file: string,
  width: number,
  look: (visit: Visit) => Promise<void>,
  colorScheme: 'light' | 'dark' = 'light',
): Promise<void> {
  const browser: Browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const [complaints, requests]: [string[], string[]] = [[], []];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    const own = pathToFileURL(file).href;
    page.on('request', (request) => {
      const url = request.url();
      if (url.split('#')[0] !== own && !url.startsWith('data:')) requests.push(url);
    });
    await page.goto(own);
    await look({ page, complaints, requests });
  } finally {
    await browser.close();
  }
}

/** Whether the page scrolls in one direction only. */
export async function fits(page: Page): Promise<boolean> {
  return (await page.evaluate('document.documentElement.scrollWidth <= innerWidth')) === true;
}
