// The extension's pages as an agent sees them: every screen of e2e/lib/screens.ts, light and dark, English and Spanish.
// Their pictures lie in target/run/screens afterwards: look at them when a page changes.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { expect, test as base } from '@playwright/test';
import type { Page } from 'playwright-core';
import type { CallView, UiState } from '../generated/protocol.d.ts';
import { type Browser, launch } from '../lib/browser.ts';
import { type Look, SCREENS, openScreen, words } from '../lib/screens.ts';
import { type Stack, must, readStack } from '../lib/stack.ts';

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PICTURES = new URL('../../target/run/screens/', import.meta.url).pathname;
const ALL_RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** One Chromium for all screens; the sandbox is not needed. */
const test = base.extend<{ open(name: string, look?: Look): Promise<Page> }, { stack: Stack; chromium: Browser }>({
  stack: [async ({}, use) => use(readStack()), { scope: 'worker' }],
  chromium: [async ({ stack }, use) => {
    const chromium = await launch(stack);
    await use(chromium);
    await chromium.close();
  }, { scope: 'worker' }],
  /** Opens a screen by name. */
  open: async ({ chromium, stack }, use) => {
    const pages: Page[] = [];
    await use(async (name, options) => {
      const page = await openScreen(chromium, stack.extension_dir, screenOf(name), options);
      pages.push(page);
      return page;
    });
    for (const page of pages) await page.close();
  },
});

const screenOf = (name: string) => must(SCREENS.find(screen => screen.name === name), `screen ${name}`);
/** What that screen's worker says. */
const stateOf = (name: string) => must(screenOf(name).state(), `state of ${name}`);

const heard = (page: Page) => page.evaluate(() => window.played.heard);
const tell = (page: Page, state: UiState) => page.evaluate(told => window.played.tell({ type: 'state', state: told }), state);

/** What sticks out of its box. What may be cut short says so with an ellipsis. */
const overflowing = (page: Page) => page.evaluate(() => {
  const found: string[] = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  for (const element of document.querySelectorAll('h1, h2, p, button, summary, label, dt, dd, li, span, .card, .bar, .fields')) {
    const box = element.getBoundingClientRect();
    if (!box.width || element.closest('#calls .who, svg')) continue;
    if (box.right > innerWidth + 0.5 || box.left < -0.5) found.push(`${element.id || element.className || element.tagName} leaves the page`);
    if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline') found.push(`${element.id || element.className || element.tagName} overflows`);
  }
  return found;
});

const violations = async (page: Page, rules: string[]) => {
  await page.evaluate(AXE);
  return page.evaluate(async runOnly => {
    const { violations: all } = await window.axe.run(document, { runOnly });
    return all.flatMap(({ id, nodes }) => nodes.map(({ target, any }) => `${id}: ${target.join(' ')} ${any[0]?.message ?? ''}`));
  }, rules);
};

for (const kind of ['popup', 'welcome', 'options']) {
  test(`every screen of the ${kind} page is whole and accessible, light and dark, in English and Spanish`, { tag: '@long' }, async ({ chromium, stack }) => {
    test.setTimeout(300_000);
    fs.mkdirSync(PICTURES, { recursive: true });
    const wrong = [];
    for (const screen of SCREENS.filter(({ page }) => page === `${kind}.html`)) {
      for (const locale of ['en', 'es'] as const) {
        const page = await openScreen(chromium, stack.extension_dir, screen, { locale });
        for (const theme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
          await page.screenshot({ path: `${PICTURES}${screen.name}-${theme}-${locale}.png`, fullPage: true });
          // Roles and names are the same in every theme and language; colours are the theme's.
          const rules = locale === 'en' ? theme === 'light' ? ALL_RULES : ['color-contrast'] : [];
          const found = [...rules.length ? await violations(page, rules) : [], ...theme === 'light' ? await overflowing(page) : []];
          wrong.push(...found.map(what => `${screen.name} ${theme} ${locale}: ${what}`));
        }
        await page.close();
      }
    }
    expect(wrong).toEqual([]);
  });
}

test('muting, hold, a warning and a second call never move the buttons of a call', async ({ open }) => {
  for (const locale of ['en', 'es'] as const) {
    const page = await open('popup-call-measuring', { locale });
    const state = stateOf('popup-call');
    const call = must(state.call, 'call on that screen');
    const places = async () => {
      const boxes: Record<string, object | null> = {};
      for (const id of ['mute', 'keypad-toggle', 'hang-up']) boxes[id] = await page.locator(`#${id}`).boundingBox();
      return boxes;
    };
    const before = await places();
    const changes: Partial<CallView>[] = [{ muted: true }, { onHold: true }, { muted: true, onHold: true }, { warnings: ['high-rtt'] }, { state: 'reconnecting' }];
    for (const change of changes) {
      await tell(page, { ...state, call: { ...call, ...change } });
      expect(await places(), `${locale} ${JSON.stringify(change)}`).toEqual(before);
    }
    await tell(page, { ...state, waiting: { sid: `CA${'f'.repeat(32)}`, from: '+15550199', since: Date.now(), unexpected: false } });
    await expect(page.locator('#waiting-answer')).toBeVisible();
    expect(await places()).toEqual(before);
    const quality = page.locator('#quality');
    const height = (await quality.boundingBox())?.height;
    await tell(page, { ...state, call: { ...call, warnings: ['high-packet-loss'] } });
    expect((await quality.boundingBox())?.height).toBe(height);
  }
});

test('consent is given by a click on Allow alone, and not by one that came before it could be read', async ({ open }) => {
  const page = await open('popup-consent');
  expect(await page.evaluate(() => document.activeElement?.id)).not.toBe('consent-allow');
  await page.keyboard.press('Enter');
  const request = stateOf('popup-consent');
  const asked = must(request.consent, 'question on that screen');
  await tell(page, { ...request, consent: { ...asked, tokenUrl: 'https://other.example/token' } });
  await page.evaluate(() => document.getElementById('consent-allow')?.click());
  expect(await heard(page)).toEqual([]);
  await page.locator('#consent-allow').click(); // Waits until the button is enabled.
  expect(await heard(page)).toEqual([
    { type: 'consent', account_sid: asked.accountSid, token_url: 'https://other.example/token', allow: true },
  ]);
  const order = await page.locator('#consent button').evaluateAll(buttons => buttons.map(({ id }) => id));
  expect(order, 'the safe answer comes first').toEqual(['consent-decline', 'consent-allow']);
});

test('a second call is answered with a button that says that the first one ends', async ({ open, stack }) => {
  const page = await open('popup-waiting');
  await expect(page.locator('#waiting-answer')).toHaveText(words(stack.extension_dir, 'en').waiting_answer.message);
  await page.locator('#waiting-answer').click();
  expect(await heard(page)).toEqual([{ type: 'answerWaiting', sid: `CA${'f'.repeat(32)}` }]);
});

test('devices, volume and their tests ask the worker, and the level of the microphone is seen', async ({ open }) => {
  const page = await open('popup-call-devices');
  await page.locator('#microphone').selectOption('m2');
  await page.locator('#speaker').selectOption('');
  await page.locator('#volume').press('ArrowLeft');
  await expect(page.locator('#volume-value')).toHaveText('65 %');
  await page.locator('#test-speaker').click();
  await page.locator('#test-microphone').click();
  await page.evaluate(() => window.played.tell({ type: 'level', percent: 42 }));
  await expect(page.locator('#level')).toHaveAttribute('value', '42');
  await page.locator('#test-microphone').click();
  expect(await heard(page)).toEqual([
    { type: 'selectAudioDevice', kind: 'microphone', deviceId: 'm2' },
    { type: 'selectAudioDevice', kind: 'speaker', deviceId: null },
    { type: 'setVolume', percent: 65 },
    { type: 'testSpeaker' },
    { type: 'testMicrophone', on: true },
    { type: 'testMicrophone', on: false },
  ]);
});

test('the report is saved as one JSON file, which names the last calls and nobody who called', async ({ open }) => {
  const page = await open('options');
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#save-report').click()]);
  expect(download.suggestedFilename()).toMatch(/^holdfast-report-\d{4}-\d\d-\d\d\.json$/);
  const text = fs.readFileSync(await download.path(), 'utf8');
  const report = JSON.parse(text);
  expect(report.state.last_calls).toHaveLength(4);
  expect(report.state.counters.tokens_fetched).toBe(12);
  expect(text).not.toContain('5550101');
});

test('a blocked microphone is repaired from the popup in one click, which leads to Chrome\'s own switch', async ({ open, chromium }) => {
  const page = await open('popup-microphone-blocked');
  const [welcome] = await Promise.all([chromium.context.waitForEvent('page'), page.locator('#status-button').click()]);
  await welcome.waitForURL(chromium.extensionUrl('welcome.html'));
  await welcome.close();
});

test('markup in every string that a page or a caller could have written stays text', async ({ open }) => {
  const page = await open('popup-ready');
  const evil = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>';
  const full = stateOf('popup-waiting');
  const replace = (value: unknown, key?: string): unknown => {
    if (Array.isArray(value)) return value.map(one => replace(one, key));
    if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, replace(one, name)]));
    return key && ['from', 'label', 'message', 'version', 'tokenService', 'key', 'value'].includes(key) ? evil : value;
  };
  await tell(page, { ...replace(full) as UiState, policyComplaints: [{ key: evil, wants: { oneOf: [evil] } }], counters: { [evil]: 1 } });
  await expect(page.locator('#status-help')).toHaveText(evil);
  await page.locator('details').evaluateAll(all => (all as HTMLDetailsElement[]).forEach(one => { one.open = true; }));
  expect(await page.evaluate(() => [document.images.length, document.scripts.length, window.hacked])).toEqual([1, 1, undefined]);
});
