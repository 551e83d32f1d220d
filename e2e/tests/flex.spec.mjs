// The plugin in the real Flex UI, beyond the one big play.
import { launch } from '../lib/browser.mjs';
import { FlexPage } from '../lib/flex.mjs';
import { until } from '../lib/stack.mjs';
import { expect, test } from '../lib/test.mjs';

test('a Flex token that Flex refreshes reaches the extension', async ({ driven, switchboard }) => {
  await switchboard.fault({ kind: 'flex_token_ttl', seconds: 100 });
  const flex = await FlexPage.open(driven.context);
  const first = (await flex.heartbeat()).flexTokenExpiresAt;
  await until('a FLEX_TOKEN with a later end', async () => (await flex.heartbeat()).flexTokenExpiresAt > first, { timeout: 60_000 });
  expect((await flex.heartbeat()).registered).toBe(true);
});

test('without the extension the agent is taken off the queue and told why', async ({ stack, switchboard }) => {
  const browser = await launch(stack, { extension: null, microphone: false });
  try {
    const flex = await FlexPage.open(browser.context, { waitReady: false });
    await until('the agent to be moved to the offline activity', async () => (await switchboard.agent()).activity_name === 'Voice Client Offline', { timeout: 60_000 });
    const status = flex.page.getByTestId('holdfast-voice-status');
    await expect(status).toBeVisible();
    await expect(status).toContainText('install or enable the Holdfast extension');
  } finally {
    await browser.close();
  }
});

test('the agent comes back to the queue when the voice client does', async ({ driven, switchboard }) => {
  await switchboard.setActivity('Available');
  const flex = await FlexPage.open(driven.context);
  await until('the agent to be available', async () => (await flex.store()).activity === 'Available');
  await switchboard.fault({ kind: 'signalling_refuse', ms: 9000 });
  await switchboard.fault({ kind: 'signalling_drop' });
  await until('the agent to be taken off the queue', async () => (await flex.store()).activity === 'Voice Client Offline', { timeout: 20_000 });
  await until('the agent to be available again', async () => (await flex.store()).activity === 'Available', { timeout: 40_000 });
});
