// An extension that goes away under an open Flex, and comes back: disabled, reloaded, reloaded in a call.
import { FlexPage } from '../lib/flex.ts';
import { must, until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

/** An extension that is gone is known to be so after this long, counted from its last heartbeat. */
const FOUND_MS = 5_000;

/** Runs in the page: when the header last stopped saying that voice is ready. */
function watch() {
  const watched: typeof __watched = (window.__watched = { lostAt: null });
  new MutationObserver(() => {
    const text = document.querySelector('[data-testid="holdfast-voice-status"]')?.textContent ?? '';
    if (text.includes('not available')) watched.lostAt ??= performance.now();
    if (text.includes('ready')) watched.lostAt = null;
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}

test('a lost extension is found within 5 s and welcomed back when it returns, with no reload', { tag: '@long' }, async ({ driven, stack, switchboard }) => {
  await switchboard.setActivity('Available');
  const flex = await FlexPage.open(driven.context);
  await expect(flex.status).toHaveText(/Voice: ready/);
  await flex.page.evaluate(watch);
  await until('a heartbeat', () => flex.page.evaluate(() => window.__seen.beatAt));
  const welcomedBack = async () => {
    await expect(flex.status).toHaveText(/Voice: ready/, { timeout: 30_000 });
    await until('the extension to be registered', async () => (await flex.heartbeat())?.registered);
    await flex.untilActivity('Available');
    expect((await flex.store()).contactUri).toMatch(/^client:ext_/);
  };

  const extensions = await driven.context.newPage();
  await extensions.goto('chrome://extensions');
  const enable = (on: boolean) => extensions.evaluate(([id, enabled]) => chrome.management.setEnabled(id, enabled), [stack.extension_id, on] as const);
  await enable(false);
  await expect(flex.status).toHaveText(/Voice: not available/);
  const { beatAt, lostAt } = await flex.page.evaluate(() => ({ ...window.__seen, ...window.__watched }));
  const missedMs = must(lostAt, 'loss in the header') - must(beatAt, 'heartbeat');
  console.log(`    a disabled extension was missed ${Math.round(missedMs)} ms after its last heartbeat`);
  expect(missedMs).toBeLessThanOrEqual(FOUND_MS);
  await flex.untilActivity('Voice Client Offline');
  await flex.picture('flex-extension-gone');
  const enabledAt = performance.now();
  await enable(true);
  await welcomedBack();
  console.log(`    an extension that was enabled again was ready after ${Math.round(performance.now() - enabledAt)} ms`);

  /** As the arrow in chrome://extensions does. */
  const reload = async () => {
    const before = (await flex.messageTypes()).VOICE_CLIENT_EXTENSION_CONFIGURED;
    await flex.page.evaluate(() => { window.__seen.last = null; });
    const options = await driven.context.newPage();
    await options.goto(driven.extensionUrl('options.html'));
    const began = performance.now();
    await options.evaluate(() => { setTimeout(() => chrome.runtime.reload(), 0); });
    await until('the extension to accept the page anew', async () => (await flex.messageTypes()).VOICE_CLIENT_EXTENSION_CONFIGURED > before, { timeout: 20_000 });
    await welcomedBack();
    console.log(`    a reloaded extension was ready again after ${Math.round(performance.now() - began)} ms`);
  };
  await reload();

  await switchboard.task();
  await flex.accept();
  await flex.waitLive();
  await reload();
  await expect(flex.toast('the call is over')).toBeVisible();
  await flex.picture('flex-call-lost');
  expect((await flex.store()).callSid).toBe(null);
  expect(await flex.joinCall().count()).toBe(0);
  // The dying document may or may not have said goodbye to the gateway, which otherwise gives the leg half a minute. The
  // agent need not wait for it: Flex's own button hangs up at TaskRouter then.
  await until('the task to be wrapping', async () => {
    const { status } = (await flex.store()).tasks[0];
    if (status === 'accepted') await flex.hangUp({ timeout: 2_000 }).catch(() => {});
    return status === 'wrapping';
  });
  await flex.complete();
  expect(await flex.page.evaluate(() => window.__watched !== undefined)).toBe(true);
});
