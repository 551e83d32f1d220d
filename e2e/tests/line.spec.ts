// The line between plugin and extension in a page where other scripts are, and in tabs that are not simply open.
import type { Page } from 'playwright-core';
import type { FlexToken } from '../generated/protocol.d.ts';
import type { BarePage } from '../lib/cdp.ts';
import { FlexPage } from '../lib/flex.ts';
import { Probe, audioGoesOn } from '../lib/probe.ts';
import { type Stack, until } from '../lib/stack.ts';
import { expect, test, uiState } from '../lib/test.ts';

const CONFIGURE = 'VOICE_CLIENT_EXTENSION_CONFIGURE';

const hello = (stack: Stack) => ({
  type: CONFIGURE,
  payload: { voiceClientTokenGeneratorUrl: stack.token_url, accountSid: stack.account.account_sid, extensionVoiceClientPrefix: 'ext_', protocolVersion: 3 },
});

/** Runs a script with any number of arguments, as a bare page does. */
type Spread = Pick<BarePage, 'evaluate'>;

/** Offers a port with a CONFIGURE, as our plugin does, and answers over it, CONFIGURED with the Flex token; what comes over it is in
 *  `window.__over[name]`. */
const offer = (page: Spread, stack: Stack, name: string, { leaving = '', leaveFirst = false, token }: { leaving?: string; leaveFirst?: boolean; token?: FlexToken } = {}) => page.evaluate((message, as, old, first, flexToken) => {
  window.__ports ??= {};
  window.__over ??= {};
  const { port1, port2 } = new MessageChannel();
  const heard: { type: string }[] = (window.__over[as] = []);
  port1.onmessage = ({ data }) => {
    heard.push(data);
    if (data.type === 'HOLDFAST_LINE_ASK') port1.postMessage({ type: 'HOLDFAST_LINE_HERE' });
    if (data.type.endsWith('_CONFIGURED') && flexToken) port1.postMessage({ type: 'VOICE_CLIENT_EXTENSION_FLEX_TOKEN', payload: flexToken });
  };
  const leave = () => {
    window.__ports[old]?.postMessage({ type: 'HOLDFAST_LINE_LEFT' });
    window.__ports[old]?.close();
  };
  if (first) leave();
  window.postMessage(message, location.origin, [port2]);
  if (!first) leave();
  window.__ports[as] = port1;
}, hello(stack), name, leaving, leaveFirst, token ?? null);

const over = (page: Spread, name: string, type: string) => page.evaluate((as: string, wanted: string) => (window.__over[as] ?? []).filter(message => message.type === wanted).length, name, `VOICE_CLIENT_EXTENSION_${type}`);

/** A page of the browser's own driver, whose `evaluate` takes its arguments as the bare one's does. */
const spread = (page: Page): Spread => ({ evaluate: (run, ...args) => page.evaluate(`(${run})(...${JSON.stringify(args)})`) });

test('a script that offers a port of its own in a call hears and changes nothing, and agent and support are told', async ({ driven, stack, switchboard }) => {
  test.setTimeout(240_000);
  await switchboard.setActivity('Available');
  const flex = await FlexPage.open(driven.context, { waitReady: false });
  await flex.ready(120_000);
  await flex.untilActivity('Available');
  await switchboard.task();
  await flex.accept();
  await flex.waitLive();
  const { call: { sid } } = await flex.carrying();

  const page = spread(flex.page);
  await offer(page, stack, 'thief');
  await page.evaluate(() => {
    for (const [name, payload] of [['SET_MUTE', { muted: true }], ['HANGUP_CALL', undefined]]) {
      window.__ports.thief.postMessage({ type: `VOICE_CLIENT_EXTENSION_${name}`, payload });
    }
  });
  const options = await driven.context.newPage();
  await options.goto(driven.extensionUrl('options.html'));
  await expect.poll(async () => (await uiState(options)).counters.ports_contested ?? 0, { timeout: 20_000 }).toBe(1);
  const shown = await uiState(options);
  expect(shown.problem?.code).toBe('line_contested');
  expect(shown.log.some(({ message }) => message.includes("in the plugin's place"))).toBe(true);
  await expect(flex.toast('another script in Flex wanted to act')).toBeVisible();

  await audioGoesOn(switchboard, sid, 1000);
  expect(await flex.beat()).toMatchObject({ registered: true, call: { sid, state: 'open', muted: false } });
  expect(await page.evaluate(() => window.__over.thief.length), 'not one message').toBe(0);
  await flex.hangUp();
  await until('the call to end', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
});

test('a plugin that leaves its port is heard over its next one, whichever it does first, and nothing is contested', async ({ driven, probe, stack }) => {
  await probe.register();
  const page = spread(probe.page);
  const token = probe.flexToken;
  await offer(page, stack, 'first', { token });
  await until('an answer over the first port', () => over(page, 'first', 'CONFIGURED'));
  await offer(page, stack, 'second', { leaving: 'first', token });
  await until('an answer over the second port', () => over(page, 'second', 'CONFIGURED'));
  await offer(page, stack, 'third', { leaving: 'second', leaveFirst: true, token });
  await until('an answer over the third port', () => over(page, 'third', 'HEARTBEAT'));
  const options = await driven.context.newPage();
  await options.goto(driven.extensionUrl('options.html'));
  expect((await uiState(options)).counters.ports_contested).toBeUndefined();

  // Another script, while that one answers.
  await offer(page, stack, 'thief');
  await expect.poll(async () => (await uiState(options)).counters.ports_contested ?? 0, { timeout: 20_000 }).toBe(1);
  const beats = await over(page, 'third', 'HEARTBEAT');
  await until('the next heartbeat', async () => await over(page, 'third', 'HEARTBEAT') > beats);
  expect(await page.evaluate(() => window.__over.thief.length)).toBe(0);
});

test('pages that are hidden and shown by a script alone, and twenty reloads in a row, are one page with one connection', async ({ driven, probe, stack }) => {
  await probe.register();
  await probe.page.evaluate(() => {
    for (let i = 0; i < 10_000; i++) {
      dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
      dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
    }
    dispatchEvent(new PageTransitionEvent('pagehide'));
    dispatchEvent(new MessageEvent('message', { data: { type: 'VOICE_CLIENT_EXTENSION_HANGUP_CALL' }, source: window, origin: location.origin }));
  });
  const beats = await probe.count('HEARTBEAT');
  await expect.poll(() => probe.count('HEARTBEAT'), { message: 'the page is still connected' }).toBeGreaterThan(beats);
  const options = await driven.context.newPage();
  await options.goto(driven.extensionUrl('options.html'));
  await expect.poll(async () => (await uiState(options)).counters.messages_foreign ?? 0, { timeout: 15_000 }).toBe(1);
  expect((await uiState(options)).pagesOpen).toBe(1);

  for (let i = 0; i < 20; i++) {
    await probe.page.reload({ waitUntil: 'domcontentloaded' });
    await probe.configure();
  }
  await probe.wait('CONFIGURED');
  await probe.send('FLEX_TOKEN', probe.flexToken);
  await probe.wait('HEARTBEAT', beat => beat.registered);
  expect((await uiState(options)).counters.connections_flooded).toBeUndefined();
  expect(stack.extension_id).toHaveLength(32);
});

test('nothing that a call needs is blocked by the policy of the extension\'s pages, and all else is', async ({ untouched, stack, switchboard }) => {
  const note = () => {
    window.__blocked = [];
    addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => window.__blocked.push(`${effectiveDirective} ${blockedURI}`));
  };
  const options = await untouched.page();
  await options.goto(`chrome-extension://${stack.extension_id}/options.html`);
  await options.evaluate(note);
  const probe = await Probe.openBare(untouched, stack, switchboard);
  const { voiceClientIdentity: identity } = await probe.register();
  const offscreen = await untouched.attach(({ url }) => url.endsWith('/offscreen.html'));
  await offscreen.evaluate(note);
  const sid = await probe.takeCall(identity);
  await audioGoesOn(switchboard, sid);
  await probe.send('SEND_DTMF_DIGITS', { digits: '12' });
  await options.evaluate(() => chrome.runtime.connect({ name: 'popup' }).postMessage({ type: 'test_speaker' }));
  // The SDK reports on the call to Twilio while it lasts, and after it.
  const reported = () => offscreen.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => name.includes('eventgw')).length);
  await until('the call to be reported to Twilio', reported);
  await probe.send('HANGUP_CALL');
  await until('the call to end', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
  expect(await offscreen.evaluate(() => window.__blocked)).toEqual([]);
  expect(await options.evaluate(() => window.__blocked)).toEqual([]);

  await options.evaluate(() => {
    new Image().src = 'https://elsewhere.test/pixel';
    fetch('http://elsewhere.test/').catch(() => {});
    try { new WebSocket('wss://elsewhere.test/'); } catch { /* as good */ }
    const make = (name: string, attributes: object) => Object.assign(document.createElement(name), attributes);
    document.body.append(make('iframe', { src: 'https://elsewhere.test/' }), make('script', { textContent: 'window.__ran = true' }), make('script', { src: 'https://elsewhere.test/x.js' }));
    document.head.append(make('style', { textContent: 'body { color: red }' }), make('link', { rel: 'stylesheet', href: 'https://elsewhere.test/x.css' }));
    const form = Object.assign(document.createElement('form'), { action: 'https://elsewhere.test/', method: 'post' });
    document.body.append(form);
    form.submit();
  });
  const blocked = await until('everything to be blocked', async () => {
    const seen = new Set((await options.evaluate(() => window.__blocked)).map(line => line.split(' ')[0]));
    return seen.size >= 6 && [...seen].sort();
  });
  expect(blocked).toEqual(['connect-src', 'form-action', 'frame-src', 'img-src', 'script-src-elem', 'style-src-elem']);
  expect(await options.evaluate(() => window.__ran)).toBeUndefined();
});

test('a page that was put aside and comes back is connected again over the same port', async ({ untouched, stack, switchboard }) => {
  const probe = await Probe.openBare(untouched, stack, switchboard);
  await probe.register();
  const { page } = probe;
  await offer(page, stack, 'plugin', { token: probe.flexToken });
  await until('an answer over the port', () => over(page, 'plugin', 'HEARTBEAT'));
  await page.evaluate(() => addEventListener('pageshow', ({ persisted }) => { window.__persisted = persisted; }));
  const { entries, currentIndex } = await page.send<{ entries: { id: number }[]; currentIndex: number }>('Page.getNavigationHistory');
  await page.goto(`chrome-extension://${stack.extension_id}/options.html`);
  await until('the page to be left', async () => (await uiState(page)).pagesOpen === 0);
  await page.send('Page.navigateToHistoryEntry', { entryId: entries[currentIndex].id });
  await until('the page to come back', () => page.evaluate(() => window.__persisted === true));
  const before = await over(page, 'plugin', 'HEARTBEAT');
  await until('the next heartbeat', async () => await over(page, 'plugin', 'HEARTBEAT') > before);
});

test('in an incognito window there is no extension, and no switch that would put it there', async ({ untouched, stack }) => {
  const page = await untouched.page();
  await page.goto('chrome://extensions');
  const access = (id: string) => page.evaluate(async extensionId => {
    await chrome.developerPrivate.updateExtensionConfiguration({ extensionId, incognitoAccess: true }).catch(() => {});
    return (await chrome.developerPrivate.getExtensionInfo(extensionId)).incognitoAccess;
  }, id);
  expect(await access(stack.extension_id)).toEqual({ isActive: false, isEnabled: false });
});
