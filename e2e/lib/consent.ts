// The agent's one click: before a Flex token goes to a token service that no policy names, the popup asks.
import type { BrowserContext } from 'playwright-core';
import type { Chromium } from './cdp.ts';
import { until } from './stack.ts';

/** Waits in an extension page until the question is there, and answers it as an agent would. Runs in the page. */
function click(allow: boolean) {
  return new Promise<boolean>(resolve => {
    const timer = setInterval(() => {
      const button = document.querySelector<HTMLButtonElement>(allow ? '#consent-allow' : '#consent-decline');
      if (!button?.checkVisibility() || button.disabled || button.getAttribute('aria-disabled') === 'true') return;
      clearInterval(timer);
      button.click();
      resolve(true);
    }, 50);
  });
}

/** Opens the popup in a Playwright context, and answers the question whenever it comes. Ends with the context. */
export async function answerConsent(context: BrowserContext, popupUrl: string, { allow = true } = {}) {
  const page = await context.newPage();
  await page.goto(popupUrl);
  await page.evaluate(click, allow);
  await until('the question to be gone', () => page.evaluate(() => !document.querySelector('#consent-allow')?.checkVisibility()));
  await page.close();
}

/** The same in a bare Chromium (lib/cdp.ts), for a question that is there or about to come. */
export async function answerConsentBare(chromium: Chromium, popupUrl: string, { allow = true } = {}) {
  const page = await chromium.page();
  await page.goto(popupUrl);
  await page.evaluate(click, allow);
  await until('the question to be gone', () => page.evaluate(() => !document.querySelector('#consent-allow')?.checkVisibility()));
  await page.close();
}
