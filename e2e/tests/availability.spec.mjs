// "Available" means that the gateway has just said so.
import { audioGoesOn } from '../lib/probe.mjs';
import { until } from '../lib/stack.mjs';
import { expect, test, uiState } from '../lib/test.mjs';

test('a silent gateway is noticed, the page is told, and the registration is back within 30 s of its return', async ({ probe, switchboard, stack }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const from = performance.now();
  await switchboard.fault({ kind: 'signalling_freeze', identity, ms: 25_000 });
  await probe.waitState('the page to be told that no calls arrive', state => !state.registered, { timeout: 30_000 });
  const noticed = performance.now() - from;
  console.log(`silence noticed after ${Math.round(noticed)} ms`);
  expect(noticed).toBeLessThan(30_000);
  await probe.waitState('the registration to be back', state => state.registered, { timeout: 60_000 });
  expect(identity).toBe(stack.account.extension_identity);
  const sid = await probe.takeCall(identity);
  await switchboard.hangUp(sid);
});

test('the gateway is asked to confirm the registration again and again, and a call is not disturbed by it', async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const sid = await probe.takeCall(identity);
  const page = await driven.context.newPage();
  await page.goto(driven.extensionUrl('options.html'));
  const before = (await uiState(page)).counters;
  await audioGoesOn(switchboard, sid, 25_000);
  const state = await uiState(page);
  expect(state.registered).toBe(true);
  expect(state.counters.registrations_silent ?? 0).toBe(0);
  expect(state.counters.registrations_confirmed).toBe(before.registrations_confirmed);
  await switchboard.hangUp(sid);
});

test('a caller who gives up is no failed call', async ({ probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const { call_sid: sid } = await switchboard.call(`client:${identity}`, '+15550133');
  await switchboard.hangUp(sid);
  await until('the call to be over', async () => (await switchboard.getCall(sid)).state === 'ended');
  await probe.waitState('the call to be gone', state => state.registered && state.call == null);
  const sidAfter = await probe.takeCall(identity);
  await switchboard.hangUp(sidAfter);
});
