// The page of a video call as people see it: every screen of web/gallery-wasm, light and dark, English and Spanish, wide and 320 px,
// under the policy that the token service sends. Their pictures lie in target/run/video-screens afterwards: look at them when
// the page changes.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { expect, test as base } from '@playwright/test';
import { type Browser, type Page, chromium } from 'playwright-core';
import { readStack } from '../lib/stack.ts';

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const root = (name: string) => new URL(`../../${name}/`, import.meta.url).pathname;
const PICTURES = root('target/run/video-screens');
/** Where the page's files are, each with what is looked for after it. */
const FILES = [root('web/join-wasm/static'), root('crates/ui'), root('target/wasm/staged/gallery-wasm')];
const TYPES: Record<string, string> = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.wasm': 'application/wasm', '.svg': 'image/svg+xml' };
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'";
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const GALLERY = `<!doctype html><html lang="en" data-state="started"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Gallery</title>
  <link rel="stylesheet" href="ui.css"><link rel="stylesheet" href="join.css"><script type="module" src="start.js"></script></head><body><div id="app"></div></body></html>`;
const START = "import init, * as gallery from './gallery.js'; await init({ module_or_path: fetch('gallery_bg.wasm') }); window.gallery = gallery;";

type Gallery = { states(): string[]; acted(): string[]; show(state: string, spanish: boolean): void };
declare global { interface Window { gallery: Gallery } }

interface Look { width: number; height: number; language: 'en' | 'es'; theme: 'light' | 'dark'; forced?: boolean }

const test = base.extend<{ open(look: Look, page?: string): Promise<Page> }, { browser: Browser }>({
  browser: [async ({}, use) => {
    const browser = await chromium.launch({ executablePath: readStack().chromium, args: ['--headless=new', '--no-sandbox'] });
    await use(browser);
    await browser.close();
  }, { scope: 'worker' }],
  open: async ({ browser }, use) => {
    const closing: (() => Promise<void>)[] = [];
    await use(async ({ width, height, language, theme, forced }, name = 'gallery') => {
      const context = await browser.newContext({
        viewport: { width, height }, locale: language, colorScheme: theme, reducedMotion: 'reduce', forcedColors: forced ? 'active' : 'none',
      });
      closing.push(() => context.close());
      await context.route('**/*', route => {
        const file = new URL(route.request().url()).pathname.replace('/v/', '');
        const headers = { 'content-security-policy': POLICY };
        if (file === 'gallery') return route.fulfill({ contentType: 'text/html', headers, body: GALLERY });
        if (file === 'start.js') return route.fulfill({ contentType: 'text/javascript', headers, body: START });
        const place = FILES.map(directory => path.join(directory, file)).find(it => path.extname(file) && fs.existsSync(it));
        const whole = place ?? (path.extname(file) ? null : path.join(FILES[0] ?? '', 'index.html'));
        if (!whole) return route.fulfill({ status: 404 });
        return route.fulfill({ contentType: TYPES[path.extname(whole)] ?? 'text/plain', headers, body: fs.readFileSync(whole) });
      });
      const page = await context.newPage();
      await page.goto(`https://call.test/v/${name}`);
      if (name === 'gallery') await page.waitForFunction(() => window.gallery);
      return page;
    });
    for (const close of closing) await close();
  },
});

/** Draws something into every picture, as a camera would. */
const show = async (page: Page, state: string, spanish = false) => {
  await page.evaluate(([name, inSpanish]) => window.gallery.show(name, inSpanish), [state, spanish] as const);
  await expect(page.locator('#app h1')).toHaveCount(1);
  await page.evaluate(() => {
    for (const video of document.querySelectorAll('video')) {
      if (video.srcObject) continue;
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [640, 360];
      const paper = canvas.getContext('2d');
      if (!paper) return;
      paper.fillStyle = '#46627a';
      paper.fillRect(0, 0, 640, 360);
      paper.fillStyle = '#e8c9a8';
      paper.fillRect(240, 80, 160, 200);
      video.srcObject = canvas.captureStream(5);
    }
  });
};

/** What breaks a rule of WCAG's, and what sticks out of its box or off the page. What may be cut short says so with an ellipsis. */
const faults = async (page: Page) => {
  await page.evaluate(AXE);
  return page.evaluate(async runOnly => {
    const { violations } = await window.axe.run(document, { runOnly });
    const found = violations.flatMap(({ id, nodes }) => nodes.map(({ target, any }) => `${id}: ${target.join(' ')} ${any[0]?.message ?? ''}`));
    if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
    for (const element of document.querySelectorAll('h1, h2, p, button, label, li, span, select')) {
      const box = element.getBoundingClientRect();
      if (!box.width || element.closest('.unseen, svg, .menus[popover]')) continue;
      const name = `${element.id || element.className || element.tagName} «${(element.textContent ?? '').slice(0, 30)}»`;
      if (box.right > innerWidth + 0.5 || box.left < -0.5) found.push(`${name} leaves the page`);
      const { display, textOverflow } = getComputedStyle(element);
      if (element.scrollWidth > element.clientWidth + 1 && display !== 'inline' && textOverflow !== 'ellipsis') found.push(`${name} overflows`);
      if (element.matches('button') && Math.min(box.width, box.height) < 24) found.push(`${name} is smaller than 24 px`);
    }
    return found;
  }, RULES);
};

const LOOKS: [string, Look][] = [
  ['wide, light, English', { width: 1280, height: 800, language: 'en', theme: 'light' }],
  ['320 px, dark, Spanish', { width: 320, height: 640, language: 'es', theme: 'dark' }],
  ['a phone on its side, forced colours, English', { width: 740, height: 360, language: 'en', theme: 'dark', forced: true }],
];

for (const [name, look] of LOOKS) {
  test(`every screen of the page of a call is whole and accessible: ${name}`, { tag: '@long' }, async ({ open }) => {
    test.setTimeout(180_000);
    fs.mkdirSync(PICTURES, { recursive: true });
    const page = await open(look);
    const broken: string[] = [];
    page.on('console', message => message.type() === 'error' && broken.push(message.text()));
    for (const state of await page.evaluate(() => window.gallery.states())) {
      await show(page, state, look.language === 'es');
      broken.push(...(await faults(page)).map(what => `${state}: ${what}`));
      await page.screenshot({ path: `${PICTURES}${state}-${look.width}-${look.language}.png` });
    }
    const first = await open(look, '0123456789abcdefghjk');
    broken.push(...(await faults(first)).map(what => `start: ${what}`));
    await first.screenshot({ path: `${PICTURES}start-${look.width}-${look.language}.png` });
    expect(broken).toEqual([]);
  });
}

const WIDE: Look = { width: 1280, height: 800, language: 'en', theme: 'dark' };

test('the first view is HTML in the person’s language, which loads nothing before the tap and says when that fails', async ({ open }) => {
  const page = await open({ ...WIDE, language: 'es' }, '0123456789abcdefghjk');
  await expect(page.getByRole('heading', { name: 'Videollamada' })).toBeVisible();
  await expect(page.getByText('You are invited')).toBeHidden();
  const loaded = () => page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname));
  expect((await loaded()).filter(name => /pkg|vendor/.test(name))).toEqual([]);
  // Nothing of it is there in this test: the load fails.
  await page.getByRole('button', { name: 'Empezar' }).click();
  await expect(page.getByRole('status')).toContainText('No se pudo cargar la llamada');
  await expect(page.getByRole('button', { name: 'Intentar de nuevo' })).toBeFocused();
  expect(await loaded()).toEqual(expect.arrayContaining(['/v/pkg/join.js', '/v/vendor/twilio-video.min.js']));
});

test('Join is on the screen without scrolling, on a phone and in a small window', async ({ open }) => {
  fs.mkdirSync(PICTURES, { recursive: true });
  for (const look of [{ width: 800, height: 700, language: 'en', theme: 'light' }, { width: 800, height: 700, language: 'es', theme: 'dark' }, { width: 360, height: 640, language: 'es', theme: 'light' }] satisfies Look[]) {
    const page = await open(look);
    for (const state of (await page.evaluate(() => window.gallery.states())).filter(name => name.startsWith('check'))) {
      await show(page, state, look.language === 'es');
      await page.screenshot({ path: `${PICTURES}${state}-${look.width}-${look.theme}-${look.language}.png` });
      // Where a question comes first, its answers are what must be reached, and *Join* stands below it.
      if (state === 'check-consent') {
        await page.locator('[data-action=consent-yes]').scrollIntoViewIfNeeded();
        expect(await page.locator('[data-action=consent-yes]').evaluate(button => {
          const { left, top, width, height } = button.getBoundingClientRect();
          return button.contains(document.elementFromPoint(left + width / 2, top + height - 4));
        }), `${state} at ${look.width} × ${look.height}`).toBe(true);
        continue;
      }
      await expect(page.locator('[data-action=join]'), `${state} at ${look.width} × ${look.height}`).toBeInViewport({ ratio: 1 });
      expect(await faults(page)).toEqual([]);
    }
  }
});

test('a picture keeps its element while somebody is lost, speaks, shares or joins, and never moves in the page', async ({ open }) => {
  const page = await open(WIDE);
  await show(page, 'room-two');
  const removed = await page.evaluateHandle(() => {
    const gone: string[] = [];
    new MutationObserver(records => {
      for (const { removedNodes } of records) {
        for (const node of removedNodes) {
          if (node instanceof Element) gone.push(...[node, ...node.querySelectorAll('video')].filter(it => it.matches('video')).map(it => it.id));
        }
      }
    }).observe(document.body, { subtree: true, childList: true });
    return gone;
  });
  for (const state of ['room-lost', 'room-notes', 'room-share', 'room-agent', 'room-question', 'room-two']) {
    await show(page, state);
    await expect(page.locator('#tile-11')).toBeVisible();
    await expect(page.locator('#tile-10')).toBeVisible();
  }
  const gone = await removed.jsonValue();
  expect(gone.filter(id => id === 'tile-10' || id === 'tile-11')).toEqual([]);
  expect(gone, 'the shared screen goes when it is over').toContain('tile-50');
});

test('the focus stays with who uses the keyboard: in the question, back at its button, and on a screen that comes in place of another', async ({ open }) => {
  const page = await open(WIDE);
  await show(page, 'room-agent');
  await page.locator('[data-action=ask-end]').focus();
  await show(page, 'room-question');
  await expect(page.locator('dialog [data-action=cancel]')).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(async () => expect(await page.evaluate(() => window.gallery.acted())).toEqual(['Cancel'])).toPass();
  await show(page, 'room-agent');
  await expect(page.locator('[data-action=ask-end]')).toBeFocused();
  await show(page, 'over');
  await expect(page.getByRole('heading', { level: 1 })).toBeFocused();
});

test('Alt+M and Alt+V do what the buttons do, and nothing where the button does nothing', async ({ open }) => {
  const page = await open(WIDE);
  await show(page, 'room-two');
  await page.keyboard.press('Alt+m');
  await page.keyboard.press('Alt+v');
  await page.keyboard.press('m');
  expect(await page.evaluate(() => window.gallery.acted())).toEqual(['ToggleMicrophone', 'ToggleCamera']);
  // A call has the microphone.
  await show(page, 'room-agent');
  await expect(page.locator('[data-action=toggle-microphone]')).toHaveAttribute('aria-disabled', 'true');
  await page.keyboard.press('Alt+m');
  expect(await page.evaluate(() => window.gallery.acted())).toHaveLength(2);
});

test('what happened is added once to a region that a screen reader listens to', async ({ open }) => {
  const page = await open(WIDE);
  await show(page, 'room-two');
  await show(page, 'room-notes');
  await expect(page.locator('.announcements [role=status] p')).toHaveText(['Ada has joined.']);
  await expect(page.locator('.announcements [role=alert] p')).toHaveText(['The connection is lost. Trying again.']);
  const note = await page.locator('.announcements [role=status] p').elementHandle();
  await show(page, 'room-notes');
  expect(await note?.evaluate(it => it.isConnected), 'the same again is no news').toBe(true);
});
