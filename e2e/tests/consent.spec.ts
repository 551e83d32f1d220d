// Where a Flex token may go: the agent's one click, and what happens without it.
import { launch, uiState } from '../lib/browser.ts';
import { answerConsent } from '../lib/consent.ts';
import { Probe } from '../lib/probe.ts';
import { type Switchboard, type Stack, sleep } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

/** A browser whose agent has not been asked yet, and a page that has named a token service. */
async function asking(stack: Stack, switchboard: Switchboard) {
  const browser = await launch(stack, { consent: false });
  const probe = await Probe.open(browser.context, stack, switchboard);
  await probe.configure();
  await probe.wait('ERROR', error => error.code === 'consent_needed');
  return { browser, probe };
}

test('no Flex token is taken for a token service that the agent has not agreed to, and one click is enough for good', async ({ stack, switchboard }) => {
  const { browser, probe } = await asking(stack, switchboard);
  try {
    await probe.sendFlexToken();
    await probe.wait('ERROR', error => error.code === 'not_configured');
    expect(await probe.count('CONFIGURED')).toBe(0);
    const popup = await browser.context.newPage();
    await popup.goto(browser.extensionUrl('popup.html'));
    const asked = await uiState(popup);
    expect([asked.consent?.accountSid, asked.consent?.tokenUrl]).toEqual([stack.account.account_sid, stack.token_url]);
    expect(asked.counters.tokens_fetched).toBeUndefined();
    await expect(popup.locator('#consent')).toBeVisible();
    await popup.close();

    // The worker itself says CONFIGURED: a plugin that repeats nothing goes on from there.
    await answerConsent(browser.context, browser.extensionUrl('popup.html'));
    await probe.wait('CONFIGURED');
    await probe.sendFlexToken();
    await probe.wait('HEARTBEAT', beat => beat.registered, { timeout: 20_000 });

    const next = await Probe.open(browser.context, stack, switchboard);
    await next.hello();
    expect(await next.count('ERROR')).toBe(0);
  } finally {
    await browser.close();
  }
});

test('a token service that the agent declined gets nothing, and Restart asks again without a reload', async ({ stack, switchboard }) => {
  const { browser, probe } = await asking(stack, switchboard);
  try {
    await answerConsent(browser.context, browser.extensionUrl('popup.html'), { allow: false });
    await probe.wait('CONFIG_REJECTED', problem => problem.code === 'consent_declined');
    const popup = await browser.context.newPage();
    await popup.goto(browser.extensionUrl('options.html'));
    await popup.evaluate(() => chrome.runtime.connect({ name: 'popup' }).postMessage({ type: 'restart' }));
    const before = await probe.count('ERROR');
    await expect.poll(() => probe.count('ERROR'), { timeout: 20_000 }).toBeGreaterThan(before);
    expect((await uiState(popup)).consent?.tokenUrl).toBe(stack.token_url);
  } finally {
    await browser.close();
  }
});

test('a flood and messages from a frame are dropped, counted, and change nothing', async ({ driven, probe, stack }) => {
  await probe.register();
  await probe.page.evaluate(() => {
    for (let i = 0; i < 2000; i++) {
      window.postMessage({ type: 'VOICE_CLIENT_EXTENSION_SEND_DTMF_DIGITS', payload: { digits: '1' } }, location.origin);
    }
    const frame = document.createElement('iframe');
    frame.srcdoc = `<script>parent.postMessage({ type: 'VOICE_CLIENT_EXTENSION_HANGUP_CALL' }, '*')</script>`;
    frame.sandbox = 'allow-scripts';
    document.body.append(frame);
  });
  await probe.wait('ERROR', error => error.code === 'too_many_messages');
  const options = await driven.context.newPage();
  await options.goto(driven.extensionUrl('options.html'));
  await expect.poll(async () => (await uiState(options)).counters.messages_flooded ?? 0, { timeout: 15_000 }).toBeGreaterThan(1500);
  await expect.poll(async () => (await uiState(options)).counters.messages_foreign ?? 0, { timeout: 15_000 }).toBe(1);
  // What a person does still goes through, and the registration has not noticed.
  await probe.send('HANGUP_CALL');
  await probe.wait('ERROR', error => error.code === 'no_call' && error.inReplyTo?.endsWith('HANGUP_CALL'));
  expect((await probe.state()).registered).toBe(true);
  expect(stack.extension_id).toHaveLength(32);
});

test('a message of more than 8 KiB is not read, and its sender is told', async ({ probe }) => {
  await probe.send('CONFIGURE', { voiceClientTokenGeneratorUrl: `https://x.test/${'a'.repeat(9000)}`, accountSid: `AC${'1'.repeat(32)}`, extensionVoiceClientPrefix: 'ext_' });
  await probe.wait('ERROR', error => error.code === 'malformed_message' && error.inReplyTo?.endsWith('CONFIGURE'));
});

test('no token is written to disk or shown to a page', async ({ driven, probe, switchboard }) => {
  await probe.register();
  const options = await driven.context.newPage();
  await options.goto(driven.extensionUrl('options.html'));
  await sleep(500);
  const local = await options.evaluate(async () => JSON.stringify([await chrome.storage.local.get(null), await chrome.storage.sync?.get(null)]));
  const { token } = await switchboard.flexLogin();
  expect(local).toContain('agreements');
  expect(local).not.toMatch(/eyJ[A-Za-z0-9_-]{10}/);
  expect(local).not.toContain(token);
  const heard = await probe.page.evaluate(() => JSON.stringify(window.__in.filter(message => !message.type.endsWith('_FLEX_TOKEN'))));
  expect(heard).not.toMatch(/eyJ[A-Za-z0-9_-]{10}/);
});
