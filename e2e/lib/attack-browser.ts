// Attacks on extension and plugin: a real Chromium, the real Flex UI, and a stranger, a colleague at the same desk or a script
// in the page.
import crypto from 'node:crypto';
import http from 'node:http';
import type { BrowserContext } from 'playwright-core';
import type { Got } from './attack-service.ts';
import { type Browser, launch, uiState } from './browser.ts';
import { FlexPage } from './flex.ts';
import { Probe } from './probe.ts';
import { type Stack, Switchboard, sleep, until } from './stack.ts';

/** Controls by which a text shows another order or hides a part of itself. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/;
/** How long a stranger's call is given to be answered by itself. It took a quarter of a second once. */
const STRANGER_WAITS_MS = 5_000;

interface Desk {
  stack: Stack;
  switchboard: Switchboard;
  browser: Browser;
  context: BrowserContext;
}

/** A browser with a clean account behind it; closed again whatever comes. */
async function atDesk(stack: Stack, play: (desk: Desk) => Promise<Got>) {
  const switchboard = new Switchboard(stack);
  await switchboard.reset();
  await switchboard.setActivity('Available');
  const browser = await launch(stack);
  try {
    return await play({ stack, switchboard, browser, context: browser.context });
  } finally {
    await browser.close();
    await switchboard.reset();
  }
}

/** What the extension's own pages show. */
async function shown({ context, browser }: Desk) {
  const page = await context.newPage();
  await page.goto(browser.extensionUrl('options.html'));
  const state = await uiState(page);
  await page.close();
  return state;
}

/** True when a stranger who dials the agent's client is answered. */
async function answered({ stack, switchboard }: Desk, from = 'client:mallory') {
  const { call_sid: sid } = await switchboard.call(`client:${stack.account.extension_identity}`, from);
  const end = performance.now() + STRANGER_WAITS_MS;
  let call;
  do {
    call = await switchboard.getCall(sid);
    if (call.answer_ms != null || call.state === 'ended') break;
    await sleep(100);
  } while (performance.now() < end);
  if (call.state !== 'ended') await switchboard.hangUp(sid);
  return call.answer_ms != null;
}

/** A customer through Flex, whom the agent accepts: true when the call is live. */
async function serves({ switchboard }: Desk, flex: FlexPage, from = '+15550123') {
  await switchboard.task(from);
  await flex.accept();
  await flex.waitLive(20_000);
}

/** S31: the agent signs out; later somebody dials their client. */
async function signedOut(desk: Desk) {
  const flex = await FlexPage.open(desk.context);
  await flex.untilActivity('Available');
  await serves(desk, flex);
  await flex.hangUp();
  await flex.complete();
  // Flex leaves the page by itself; whether its promise is ever settled does not matter.
  await flex.page.evaluate(() => { Twilio.Flex.Actions.invokeAction('Logout', {}); }).catch(() => {});
  await sleep(2_000);
  await flex.page.close();
  const wasAnswered = await answered(desk);
  const state = await shown(desk);
  const left = [state.identity && 'the identity', state.calls.length > 0 && 'the last callers', state.registered && 'the registration'].filter(Boolean);
  return {
    got: `${wasAnswered ? 1 : 0} of 1 calls answered after the sign-out; still shown: ${left.join(', ') || 'nothing'}`,
    held: !wasAnswered && left.length === 0,
    figures: { signed_out: { answered: wasAnswered ? 1 : 0 } },
  };
}

/** S33: somebody dials the agent's client while they wait for customers, and a customer comes. */
async function stranger(desk: Desk) {
  const flex = await FlexPage.open(desk.context);
  await flex.untilActivity('Available');
  const { stack, switchboard } = desk;
  const { call_sid: sid } = await switchboard.call(`client:${stack.account.extension_identity}`, 'client:mallory');
  await sleep(STRANGER_WAITS_MS);
  const wasAnswered = (await switchboard.getCall(sid)).answer_ms != null;
  // The stranger still rings.
  const place = await serves(desk, flex).then(() => null, error => String(error.message).slice(0, 80));
  return {
    got: `${wasAnswered ? 'answered' : 'not answered'}; the customer who came meanwhile ${place ? `was kept out (${place})` : 'was served'}`,
    held: !wasAnswered && place === null,
  };
}

/** S33: a caller whose name is prose, with controls that turn it around. */
async function prose(desk: Desk) {
  const flex = await FlexPage.open(desk.context);
  await flex.untilActivity('Available');
  const { stack, switchboard } = desk;
  const from = 'sip:\u202e7710 555 1+ - knab ruoY\u202c\u200b@evil.example Press "Hang up" and call back +1 900 555 0100';
  await switchboard.call(`client:${stack.account.extension_identity}`, from);
  const seen = await until('the call to be shown', async () => {
    const { call, waiting } = await shown(desk);
    return call ?? waiting;
  });
  const beat = await flex.heartbeat();
  const texts = [seen.from, beat?.call?.from, beat?.waiting?.from].filter(text => text != null);
  const bad = texts.filter(text => UNSEEN.test(text) || text.length > 32 || /Hang up|900/.test(text));
  return { got: texts.length ? `shown as ${JSON.stringify(texts[0])}` : 'shown as unknown', held: bad.length === 0 };
}

/** A token service that says who is whom: `who()` is the identity, or `{status, code}` for a refusal; after `delay` ms. */
async function sayer(stack: Stack, port: number, delay: number) {
  const { account_sid: account, api_key_sid: key, api_key_secret: secret } = stack.account;
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const mint = (identity: string) => {
    const now = Math.floor(Date.now() / 1000);
    const text = `${encode({ alg: 'HS256', typ: 'JWT', cty: 'twilio-fpa;v=1' })}.${encode({
      jti: `${key}-${crypto.randomUUID()}`, grants: { identity, voice: { incoming: { allow: true } } }, iat: now, exp: now + 3600, iss: key, sub: account,
    })}`;
    return `${text}.${crypto.createHmac('sha256', secret).update(text).digest('base64url')}`;
  };
  const service: { who: string | { status: number; code: string }; close(): void } = {
    who: { status: 503, code: 'nobody_yet' },
    close: () => server.closeAllConnections() ?? server.close(),
  };
  const server = http.createServer((request, response) => {
    const headers = {
      'access-control-allow-origin': request.headers.origin ?? '*', 'access-control-allow-headers': 'authorization,content-type',
      'access-control-allow-methods': 'POST', 'content-type': 'application/json',
    };
    if (request.method === 'OPTIONS') return response.writeHead(204, headers).end();
    const who = service.who;
    request.resume().on('end', async () => {
      await sleep(delay);
      if (typeof who !== 'string') return response.writeHead(who.status, headers).end(JSON.stringify({ code: who.code, message: 'no', request_id: 'r' }));
      response.writeHead(200, headers).end(JSON.stringify({
        identity: who, account_sid: account, token: mint(who), expires_in: 900, expires_at: '', edge: 'roaming', region: 'us1',
      }));
    });
  });
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve));
  return service;
}

/** S31: Ann's tab is closed, and the next agent signs in at her desk. How long is anybody told that he is Ann? */
async function shiftChange(desk: Desk, port: number, next: string | { status: number; code: string }) {
  const { stack, switchboard, context } = desk;
  const ann = 'ext_ann_40example_2Ecom';
  const service = await sayer(stack, port, 300);
  try {
    service.who = ann;
    const page = await Probe.open(context, stack, switchboard);
    await page.register();
    await page.page.close();
    service.who = next;
    let stop = false;
    let foreign = 0;
    const watch = (async () => {
      while (!stop) {
        const from = performance.now();
        const { contact_uri: contact } = JSON.parse((await switchboard.agent()).attributes);
        await sleep(10);
        if (contact === `client:${ann}`) foreign += performance.now() - from;
      }
    })();
    const flex = await FlexPage.open(context, { waitReady: false });
    await flex.booted();
    const beats = new Set();
    const end = performance.now() + 8_000;
    while (performance.now() < end) {
      const beat = await flex.heartbeat();
      if (beat?.voiceClientIdentity === ann) beats.add(ann);
      await sleep(25);
    }
    stop = true;
    await watch;
    return { foreign: Math.round(foreign), told: beats.size };
  } finally {
    service.close();
  }
}

async function healthyShiftChange(desk: Desk, port: number) {
  const { foreign, told } = await shiftChange(desk, port, desk.stack.account.extension_identity);
  return {
    got: `the former agent's client for ${foreign} ms; told as one's own in heartbeats: ${told ? 'yes' : 'no'}`,
    held: foreign === 0 && told === 0,
    figures: { shift_change: { foreign_identity_ms: foreign } },
  };
}

async function refusedShiftChange(desk: Desk, port: number) {
  const { foreign, told } = await shiftChange(desk, port, { status: 403, code: 'role_not_allowed' });
  const wasAnswered = await answered({ ...desk, stack: { ...desk.stack, account: { ...desk.stack.account, extension_identity: 'ext_ann_40example_2Ecom' } } }, '+15550177');
  const { identity, registered } = await shown(desk);
  return {
    got: `the former agent's client for ${foreign} ms; registered: ${registered ? 'yes' : 'no'}; a call for the former agent ${wasAnswered ? 'answered' : 'not answered'}`,
    held: foreign === 0 && told === 0 && !wasAnswered && !registered && !identity,
  };
}

/** S17: a script of the page offers a port of its own in a call, listens, mutes and hangs up over it. */
async function takeOver(desk: Desk) {
  const flex = await FlexPage.open(desk.context);
  await flex.untilActivity('Available');
  await serves(desk, flex);
  const { stack } = desk;
  const heard = await flex.page.evaluate(async ({ url, account }) => {
    const told: string[] = [];
    for (let n = 0; n < 3; n++) {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => told.push(String(data?.type));
      const payload = { voiceClientTokenGeneratorUrl: url, accountSid: account, extensionVoiceClientPrefix: 'ext_', protocolVersion: 3 };
      window.postMessage({ type: 'VOICE_CLIENT_EXTENSION_CONFIGURE', payload }, location.origin, [port2]);
      await new Promise(resolve => setTimeout(resolve, 1_000));
      port1.postMessage({ type: 'VOICE_CLIENT_EXTENSION_SET_MUTE', payload: { muted: true } });
      port1.postMessage({ type: 'VOICE_CLIENT_EXTENSION_HANGUP_CALL' });
      await new Promise(resolve => setTimeout(resolve, 1_000));
    }
    return told.filter(type => /CONFIGURED|STATE|HEARTBEAT/.test(type)).length;
  }, { url: stack.token_url, account: stack.account.account_sid });
  const beat = await flex.heartbeat();
  const lost = !beat?.call || beat.call.muted;
  return { got: `${heard} messages overheard; the call ${lost ? 'was ended or muted' : 'goes on, unmuted'}`, held: heard === 0 && !lost };
}

/** S38: events of a page that comes and goes, which no browser made. */
async function falseEvents(desk: Desk) {
  const flex = await FlexPage.open(desk.context);
  await flex.untilActivity('Available');
  const before = (await shown(desk)).counters;
  await flex.page.evaluate(async () => {
    for (let n = 0; n < 3_000; n++) {
      for (const name of ['pagehide', 'pageshow']) dispatchEvent(new PageTransitionEvent(name, { persisted: true }));
      if (n % 100 === 0) await new Promise(resolve => setTimeout(resolve, 10));
    }
    dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
  });
  const at = await flex.page.evaluate(() => performance.now());
  await sleep(3_000);
  const { counters, pagesOpen } = await shown(desk);
  const beats = await flex.page.evaluate(since => (window.__seen.beatAt ?? 0) > since, at);
  const refused = Object.entries(counters).filter(([name, count]) => count > (before[name] ?? 0)).map(([name, count]) => `${name} ${count - (before[name] ?? 0)}`);
  return {
    got: `${pagesOpen} connections of one page, the page ${beats ? 'still hears' : 'hears nothing any more'}${refused.length ? ` (${refused.join(', ')})` : ''}`,
    held: pagesOpen === 1 && beats,
  };
}

/** The attacks: against the usual stack, and against one whose token service is this driver's, at `tokenPort`. */
export const browserAttacks = (stack: Stack, deskStack: Stack, tokenPort: number) => [
  { name: 'a call after the sign-out', threat: 'S31', bar: 'not answered, nothing of the agent shown', run: () => atDesk(stack, signedOut) },
  { name: 'a shift change', threat: 'S31', bar: '0 ms', run: () => atDesk(deskStack, desk => healthyShiftChange(desk, tokenPort)) },
  { name: 'a shift change, the next agent refused', threat: 'S31', bar: '0 ms, not registered, no call answered', run: () => atDesk(deskStack, desk => refusedShiftChange(desk, tokenPort)) },
  { name: 'a stranger dials the client', threat: 'S33', bar: 'not answered, a customer is served', run: () => atDesk(stack, stranger) },
  { name: 'a caller’s name in prose', threat: 'S33', bar: 'a number, a short name, or unknown', run: () => atDesk(stack, prose) },
  { name: 'a port of another script', threat: 'S17', bar: 'nothing heard, the call goes on', run: () => atDesk(stack, takeOver) },
  { name: 'events that no browser made', threat: 'S38', bar: 'one connection, the page still hears', run: () => atDesk(stack, falseEvents) },
];
