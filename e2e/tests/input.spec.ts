// Bad input: each gives a clear state in the popup and a typed answer to the page, and a later good message works.
import type { Browser } from '../lib/browser.ts';
import fs from 'node:fs';
import { ORIGIN, Probe, STRICT_CSP } from '../lib/probe.ts';
import { expect, test, uiState } from '../lib/test.ts';

/** The words that the popup shows. */
const words = JSON.parse(fs.readFileSync(new URL('../../extension/_locales/en/messages.json', import.meta.url), 'utf8'));

const popup = async (driven: Browser) => {
  const page = await driven.context.newPage();
  await page.goto(driven.extensionUrl('popup.html'));
  return page;
};

test('the content script works on a page whose CSP forbids WASM and all else', async ({ driven, stack, switchboard }) => {
  const probe = await Probe.open(driven.context, stack, switchboard, { headers: STRICT_CSP });
  const wasm = await probe.page.evaluate(() => {
    try {
      new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
      return 'compiled';
    } catch (error) {
      return (error as Error).name; // what WebAssembly throws
    }
  });
  expect(wasm).toBe('CompileError');
  const heartbeat = await probe.register();
  expect(heartbeat.voiceClientIdentity).toBe(stack.account.extension_identity);
});

test('malformed and unknown messages are answered by type, foreign ones passed over, and a good one still works', async ({ driven, probe, stack }) => {
  const problem = (await popup(driven)).locator('#problem-title');
  for (const foreign of [null, 42, 'text', { type: 7 }, { type: 'webpackHotUpdate' }, []]) await probe.post(foreign);
  await probe.page.evaluate(() => window.postMessage({ get type() { throw new Error('trap'); } }.constructor === Object ? { type: undefined } : null, location.origin));
  await probe.configure({ accountSid: '<img src=x onerror=alert(1)>' });
  const malformed = await probe.wait('ERROR', error => error.code === 'malformed_message');
  expect(malformed.payload.inReplyTo).toBe('VOICE_CLIENT_EXTENSION_CONFIGURE');
  expect(JSON.stringify(malformed)).not.toContain('<img');
  await expect(problem).toHaveText(words.problem_malformed_message.message);
  await probe.send('EXPLODE', { everything: true });
  await probe.wait('ERROR', error => error.code === 'unknown_type');
  await expect(problem).toHaveText(words.problem_unknown_type.message);
  await probe.send('SEND_DTMF_DIGITS', { digits: 'abc' });
  await probe.wait('ERROR', error => error.inReplyTo?.endsWith('SEND_DTMF_DIGITS') && error.code === 'malformed_message');
  await probe.send('HANGUP_CALL');
  await probe.wait('ERROR', error => error.code === 'not_configured');
  expect((await probe.register()).voiceClientIdentity).toBe(stack.account.extension_identity);
  await expect(problem).toBeHidden();
  await probe.send('HANGUP_CALL');
  await probe.wait('ERROR', error => error.code === 'no_call');
});

test('a page of another account is refused with the reason, and the first page goes on', async ({ driven, probe, stack, switchboard }) => {
  await probe.register();
  const stranger = await Probe.open(driven.context, stack, switchboard);
  await stranger.configure({ accountSid: `AC${'9'.repeat(32)}` });
  const rejected = await stranger.wait('CONFIG_REJECTED');
  expect(rejected.payload.code).toBe('wrong_account');
  await expect((await popup(driven)).locator('#problem-title')).toHaveText(words.problem_wrong_account.message);
  await stranger.configure({ voiceClientTokenGeneratorUrl: 'https://evil.example.net/steal' });
  await stranger.wait('CONFIG_REJECTED', problem => problem.code === 'wrong_token_url');
  const beats = await probe.count('HEARTBEAT');
  await probe.wait('HEARTBEAT', beat => beat.registered && beat.error !== true);
  await expect.poll(() => probe.count('HEARTBEAT')).toBeGreaterThan(beats);
  expect(await stranger.count('HEARTBEAT')).toBe(0);
  await stranger.hello();
});

test('a frame of another origin cannot configure the extension', async ({ driven, probe, stack }) => {
  await probe.page.evaluate(() => {
    const frame = document.createElement('iframe');
    frame.srcdoc = `<script>parent.postMessage({ type: 'VOICE_CLIENT_EXTENSION_CONFIGURE', payload: {
      voiceClientTokenGeneratorUrl: 'https://evil.example.net/steal', accountSid: 'AC${'1'.repeat(32)}',
      extensionVoiceClientPrefix: 'ext_' } }, '*')</script>`;
    frame.sandbox = 'allow-scripts';
    document.body.append(frame);
  });
  await probe.page.waitForTimeout(1500);
  expect(await probe.count('CONFIGURED')).toBe(0);
  expect((await uiState(await popup(driven))).accountSid).toBeNull();
  expect((await probe.register()).voiceClientIdentity).toBe(stack.account.extension_identity);
});

test('an invalid Flex token is named in popup and page, and the next good one registers', async ({ driven, probe }) => {
  await probe.configure();
  await probe.wait('CONFIGURED');
  await probe.sendFlexToken({ token: 'not-a-flex-token' });
  const state = await probe.waitState('the token to be refused', ({ problem }) => problem?.code === 'invalid_flex_token');
  expect(state.problem?.message).not.toContain('not-a-flex-token');
  const page = await popup(driven);
  await expect(page.locator('#problem-title')).toHaveText(words.problem_invalid_flex_token.message);
  await probe.sendFlexToken();
  await probe.wait('HEARTBEAT', beat => beat.registered);
  await expect(page.locator('#problem-title')).toBeHidden();
});

test('an unreachable token service is named in popup and page, is tried again, and registers when it is back', async ({ driven, probe, switchboard }) => {
  await switchboard.fault({ kind: 'http', target: 'token_service', status: 503 });
  await probe.configure();
  await probe.wait('CONFIGURED');
  await probe.sendFlexToken();
  const state = await probe.waitState('the token service to be missed', ({ problem }) => problem?.code === 'token_service_unavailable');
  expect(state.problem?.retrying).toBe(true);
  await expect((await popup(driven)).locator('#problem-title')).toHaveText(words.problem_token_service_unavailable.message);
  await switchboard.clearFaults();
  await probe.wait('HEARTBEAT', beat => beat.registered, { timeout: 30_000 });
});

test('no file of the extension can be fetched by a page', async ({ driven, probe }) => {
  for (const file of ['manifest.json', 'content.js', 'pkg/worker.js', 'icons/holdfast-16.png', 'popup.html']) {
    const got = await probe.page.evaluate((url: string) => fetch(url).then(response => response.status, error => error.name), driven.extensionUrl(file));
    expect(got, file).toBe('TypeError');
  }
  expect(new URL(probe.page.url()).origin).toBe(ORIGIN);
});
