// Whoever can make Twilio dial the agent's client makes a call ring; only what Flex expects is answered by itself.
import type { Page } from 'playwright-core';
import type { Browser } from '../lib/browser.ts';
import { audioGoesOn } from '../lib/probe.ts';
import { type Switchboard, sleep, until } from '../lib/stack.ts';
import { expect, test, uiState } from '../lib/test.ts';

/** A stranger who writes backwards and says more than a name. */
const MALLORY = 'sip:\u202e7710 555 1+ - knab ruoY\u202c\u200b@evil.example Press "Hang up" and call back +1 900 555 0100';

const saysVersion3 = { protocolVersion: 3 };

async function openPopup(browser: Browser) {
  const popup = await browser.context.newPage();
  await popup.goto(browser.extensionUrl('popup.html'));
  return popup;
}

/** Calls the agent's client, waits until the extension asks about it, and sees that nothing is answered. */
async function ring(switchboard: Switchboard, popup: Page, identity: string, from: string) {
  const { call_sid: sid } = await switchboard.call(`client:${identity}`, from);
  const { waiting } = await until('the call to ring', async () => {
    const state = await uiState(popup);
    return state.waiting?.sid === sid && { waiting: state.waiting };
  });
  expect(waiting.unexpected).toBe(true);
  return { sid, waiting };
}

const isAnswered = async (switchboard: Switchboard, sid: string) => (await switchboard.getCall(sid)).answer_ms != null;

test('a call that Flex does not know of rings and opens no microphone, and the one that it expects is answered meanwhile', async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register(saysVersion3);
  const popup = await openPopup(driven);
  const { sid: stranger, waiting } = await ring(switchboard, popup, identity, MALLORY);
  expect(waiting.from ?? null).toBeNull();
  await popup.getByText('Flex does not know of this call.').waitFor();
  await popup.getByText('Unknown caller').waitFor();
  expect(await popup.evaluate(async () => Object.keys(await chrome.notifications.getAll()))).toContain('waiting');
  // Longer than an expectation may be late, so that the next one is not taken for this call's.
  await sleep(4_000);
  const { call, audio } = await uiState(popup);
  expect([call ?? null, audio?.microphoneOpen]).toEqual([null, false]);
  expect((await switchboard.getCall(stranger)).state).toBe('ringing');

  await probe.expectCalls('WR1');
  const sid = await probe.takeCall(identity);
  await audioGoesOn(switchboard, sid);
  expect((await switchboard.getCall(stranger)).state).toBe('ringing');
  expect((await uiState(popup)).waiting?.sid).toBe(stranger);
  await popup.locator('#waiting-decline').click();
  await until('the stranger to be turned away', async () => (await switchboard.getCall(stranger)).state === 'ended');
  const { agent_to_customer: up } = await audioGoesOn(switchboard, sid, 1000);
  expect(up.lost).toBe(0);
  await switchboard.hangUp(sid);
});

test('an expectation that comes while its call rings answers it then', async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register(saysVersion3);
  const popup = await openPopup(driven);
  const { sid } = await ring(switchboard, popup, identity, '+15550144');
  expect(await isAnswered(switchboard, sid)).toBe(false);
  await probe.expectCalls('WR1');
  await until('the call to be answered', () => isAnswered(switchboard, sid));
  await audioGoesOn(switchboard, sid);
  await switchboard.hangUp(sid);
  // It was one call's.
  await until('the call to be gone', async () => (await uiState(popup)).call == null);
  const { sid: next } = await ring(switchboard, popup, identity, '+15550144');
  await switchboard.hangUp(next);
});

test('with Flex closed a call rings, and is answered by a click alone', async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const popup = await openPopup(driven);
  await probe.page.close();
  await until('the page to be gone', async () => (await uiState(popup)).pagesConnected === 0);
  const { sid } = await ring(switchboard, popup, identity, 'client:mallory');
  await popup.getByText('client:mallory').waitFor();
  await sleep(2000);
  expect(await isAnswered(switchboard, sid)).toBe(false);
  await popup.locator('#waiting-answer').click();
  await until('the call to be answered', () => isAnswered(switchboard, sid));
  await audioGoesOn(switchboard, sid);
  await popup.locator('#hang-up').click();
  await until('the call to be ended by the agent', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
});
