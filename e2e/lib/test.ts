// What every spec needs: the running stack, a clean sandbox, and a Chromium that is closed again.
import { expect, test as base } from '@playwright/test';
import type { Page } from 'playwright-core';
import * as bare from './cdp.ts';
import { type Browser, launch, uiState } from './browser.ts';
import { Probe } from './probe.ts';
import { Pulse } from './pulse.ts';
import { type Stack, Switchboard, readStack, stackFiles } from './stack.ts';

export { expect, uiState };

interface Fixtures {
  flexUi: 'newest' | 'oldest';
  switchboard: Switchboard;
  driven: Browser;
  untouched: bare.Chromium;
  probe: Probe<Page>;
}

export const test = base.extend<Fixtures, { stack: Stack }>({
  /** Which Flex UI the sandbox serves: 'newest', or 'oldest' of those that are supported. */
  flexUi: ['newest', { option: true }],
  /** Each worker of Playwright has a stack of its own, so that tests run side by side. */
  stack: [async ({}, use, { parallelIndex }) => use(readStack(stackFiles()[parallelIndex])), { scope: 'worker' }],
  switchboard: async ({ stack, flexUi }, use) => {
    const switchboard = new Switchboard(stack);
    await switchboard.reset();
    await switchboard.setFlexVersion(flexUi === 'oldest' ? stack.flex_ui_oldest : stack.flex_ui);
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

/** Tests whose Chromium has the devices of a sound server of its own. */
export const withPulse = test.extend<{ pulse: Pulse }>({
  pulse: async ({}, use) => {
    const pulse = await Pulse.start();
    await use(pulse);
    await pulse.stop();
  },
  untouched: async ({ stack, switchboard: _clean, pulse }, use) => {
    const chromium = await bare.start(stack, { pulse });
    await use(chromium);
    await chromium.close();
  },
});

/** Declares the same tests for the newest and for the oldest supported Flex UI. */
export function inEachFlexUi(declare: (flexUi: 'newest' | 'oldest') => void) {
  for (const flexUi of ['newest', 'oldest'] as const) {
    test.describe(`in the ${flexUi} Flex UI`, () => {
      test.use({ flexUi });
      declare(flexUi);
    });
  }
}
