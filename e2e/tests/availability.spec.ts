// "Available" means that the gateway has just said so.
import { bar } from '../lib/bars.ts';
import { audioGoesOn } from '../lib/probe.ts';
import { until } from '../lib/stack.ts';
import { expect, test, uiState } from '../lib/test.ts';

test('a silent gateway is noticed, the page is told, and the registration is back within 30 s of its return', async ({ probe, switchboard, stack }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const from = performance.now();
  await switchboard.fault({ kind: 'signalling_freeze', identity, ms: 25_000 });
  await probe.waitState('the page to be told that no calls arrive', state => !state.registered, { timeout: 30_000 });
  const noticed = performance.now() - from;
  bar('gateway silent', 'noticed, and the page told', noticed / 1000, 30, 's');
  expect(noticed).toBeLessThan(30_000);
  await probe.waitState('the registration to be back', state => state.registered, { timeout: 60_000 });
  expect(identity).toBe(stack.account.extension_identity);
  const sid = await probe.takeCall(identity);
  await switchboard.hangUp(sid);
});

test('a registration that the gateway has forgotten is found though its socket lives, told, and rebuilt within 30 s', async ({ probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const from = performance.now();
  await switchboard.fault({ kind: 'registration_forgotten', identity });
  await probe.waitState('the page to be told that no calls arrive', state => !state.registered, { timeout: 30_000 });
  await probe.waitState('the registration to be back', state => state.registered, { timeout: 30_000 });
  bar('registration forgotten by the gateway', 'found, told and rebuilt', (performance.now() - from) / 1000, 30, 's');
  await switchboard.clearFaults();
  const sid = await probe.takeCall(identity);
  await switchboard.hangUp(sid);
});

test('a Voice token is replaced in a call, and neither the call nor the registration notices', async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const page = await driven.context.newPage();
  await page.goto(driven.extensionUrl('options.html'));
  const fetched = async () => (await uiState(page)).counters.tokens_fetched ?? 0;
  const before = await fetched();
  const sid = await probe.takeCall(identity);
  await switchboard.fault({ kind: 'token_expired', identity });
  await until('another token', async () => await fetched() > before);
  await probe.waitState('the registration with it', state => state.registered);
  const { agent_to_customer: up, customer_to_agent: down } = await audioGoesOn(switchboard, sid, 4000);
  bar('Voice token replaced in a call', 'packets lost, both directions', up.lost + down.lost, 0, 'packets');
  expect([up.lost, down.lost]).toEqual([0, 0]);
  expect(await probe.state()).toMatchObject({ registered: true, call: { sid, state: 'open' } });
  await switchboard.hangUp(sid);
  await probe.waitState('the call to be gone', ({ call }) => call == null);
  const after = await probe.takeCall(identity);
  await switchboard.hangUp(after);
});

test('a computer whose clock is an hour wrong, either way and from one moment to the next, registers and takes calls as any other', async ({ driven, probe, switchboard }) => {
  const [worker] = driven.context.serviceWorkers();
  const setClock = (hours: number) => worker.evaluate(ms => {
    globalThis.__now ??= Date.now;
    Date.now = () => globalThis.__now.call(Date) + ms;
  }, hours * 3_600_000);
  // The worker answers once Chrome has its word on policy, which takes two seconds and is no part of what is measured.
  const options = await driven.context.newPage();
  await options.goto(driven.extensionUrl('options.html'));
  await uiState(options);
  await setClock(1);
  const from = performance.now();
  const { voiceClientIdentity: identity } = await probe.register();
  bar('clock an hour fast', 'hello to registered', performance.now() - from, 2000);
  for (const hours of [1, -1, 0]) {
    await setClock(hours);
    const sid = await probe.takeCall(identity);
    await probe.waitState('the call to be open', ({ registered, call }) => registered && call?.sid === sid && call.state === 'open');
    await probe.send('SET_MUTE', { muted: true });
    await probe.waitState('the microphone to be muted', ({ call }) => call?.muted);
    await probe.send('HANGUP_CALL');
    await until('the agent to have hung up', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
    await probe.waitState('the call to be gone', ({ call }) => call == null);
  }
  // A refused token is replaced, whatever the clock says.
  await setClock(-1);
  const fetched = async () => (await uiState(options)).counters.tokens_fetched ?? 0;
  const before = await fetched();
  await switchboard.fault({ kind: 'token_expired', identity });
  await until('another token', async () => await fetched() > before);
  await probe.waitState('the registration with another token', state => state.registered, { timeout: 30_000 });
});

test('the gateway is asked to confirm the registration again and again, and a call is not disturbed by it', { tag: '@long' }, async ({ driven, probe, switchboard }) => {
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

test('a caller who gives up is no failed call', async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const page = await driven.context.newPage();
  await page.goto(driven.extensionUrl('options.html'));
  const { call_sid: sid } = await switchboard.call(`client:${identity}`, '+15550133');
  // One that ends before it has rung is nobody's.
  await until('the call to ring', async () => (await switchboard.getCall(sid)).invite_ms != null, { every: 5 });
  await switchboard.hangUp(sid);
  await until('the call to be over', async () => (await switchboard.getCall(sid)).state === 'ended');
  // Between the gateway's end and the extension's lies the offscreen document's claim, which finds nobody.
  const ended = await until('the extension to know', async () => (await uiState(page)).calls.find(call => call.sid === sid));
  expect(ended.problem ?? null).toBeNull();
  await probe.waitState('the call to be gone', state => state.registered && state.call == null);
  const sidAfter = await probe.takeCall(identity);
  await switchboard.hangUp(sidAfter);
});
