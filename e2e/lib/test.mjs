// What every spec needs: the running stack, a clean sandbox, and a Chromium that is closed again.
import { expect, test as base } from '@playwright/test';
import * as bare from './cdp.mjs';
import { launch, uiState } from './browser.mjs';
import { Probe } from './probe.mjs';
import { Switchboard, readStack } from './stack.mjs';

export { expect, uiState };

export const test = base.extend({
  stack: [async ({}, use) => use(readStack()), { scope: 'worker' }],
  switchboard: async ({ stack }, use) => {
    const switchboard = new Switchboard(stack);
    await switchboard.reset();
    await use(switchboard);
    await switchboard.reset();
  },
  /** Chromium with the extension, microphone granted. Playwright keeps its worker alive. */
  driven: async ({ stack, switchboard: _clean }, use) => {
    const browser = await launch(stack);
    await use(browser);
    await browser.close();
  },
  /** Chromium with the extension to whose worker nothing is attached. */
  untouched: async ({ stack, switchboard: _clean }, use) => {
    const chromium = await bare.start(stack);
    await use(chromium);
    await chromium.close();
  },
  /** A page at Flex's origin that plays the plugin. */
  probe: async ({ driven, stack, switchboard }, use) => use(await Probe.open(driven.context, stack, switchboard)),
});
