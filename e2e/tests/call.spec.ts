// Calls under bad circumstances: a second caller, lost signalling, refreshed tokens.
import { audioGoesOn } from '../lib/probe.ts';
import { sleep, until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

test('the customer hangs up and the next call is answered', async ({ probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  for (let call = 1; call <= 2; call++) {
    const sid = await probe.takeCall(identity);
    await probe.waitState('the call to be open', state => state.call?.sid === sid && state.call.state === 'open');
    await switchboard.hangUp(sid);
    await probe.waitState('the call to be gone', state => state.call == null);
  }
});

test('a second caller never disturbs the first', async ({ probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const sid = await probe.takeCall(identity);
  const { call_sid: second } = await switchboard.call(`client:${identity}`, '+15550122');
  await until('the second caller to be turned away', async () => (await switchboard.getCall(second)).state === 'ended');
  const { agent_to_customer: up } = await audioGoesOn(switchboard, sid);
  expect(up.lost).toBe(0);
  expect((await probe.state()).call?.sid).toBe(sid);
  await probe.send('HANGUP_CALL');
  await until('the first to be ended by the agent', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
});

test('digits that the page sends are heard by the customer', async ({ probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const sid = await probe.takeCall(identity);
  await probe.send('SEND_DTMF_DIGITS', { digits: '12#' });
  await until('the customer to hear 12#', async () => (await switchboard.getCall(sid)).dtmf === '12#');
  await switchboard.hangUp(sid);
});

test('a dropped signalling socket costs no packet: call and registration are taken up again', async ({ probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const sid = await probe.takeCall(identity);
  await switchboard.fault({ kind: 'signalling_drop' });
  await sleep(500);
  await probe.waitState('call and registration to be back', state => state.registered && state.call?.state === 'open', { timeout: 20_000 });
  const { agent_to_customer: up, customer_to_agent: down } = await audioGoesOn(switchboard, sid);
  expect([up.lost, down.lost]).toEqual([0, 0]);
  await switchboard.hangUp(sid);
  await probe.waitState('the call to be gone', state => state.call == null);
});

test('while the gateway refuses sockets the page is told, and again when the registration is back', async ({ probe, switchboard }) => {
  await probe.register();
  await switchboard.fault({ kind: 'signalling_refuse', ms: 8000 });
  await switchboard.fault({ kind: 'signalling_drop' });
  await probe.wait('HEARTBEAT', beat => beat.error === true && !beat.registered);
  await probe.waitState('the registration to be back', state => state.registered, { timeout: 40_000 });
  await probe.wait('HEARTBEAT', beat => beat.error === false && beat.registered);
});

test('a call after a refused and replaced Voice token is answered with the new one', async ({ probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  await switchboard.fault({ kind: 'token_expired', identity });
  await until('the registration with a fresh token', async () => {
    const { events } = await switchboard.events();
    return events.filter(event => event.type === 'registered').length >= 2;
  }, { timeout: 30_000 }).catch(() => {});
  await probe.waitState('the registration to be confirmed', state => state.registered, { timeout: 30_000 });
  const sid = await probe.takeCall(identity);
  await audioGoesOn(switchboard, sid);
  await switchboard.hangUp(sid);
});

test('the popup shows the live call, mutes it and hangs it up', async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const sid = await probe.takeCall(identity);
  const popup = await driven.context.newPage();
  await popup.goto(driven.extensionUrl('popup.html'));
  await popup.locator('#mute').click();
  await probe.waitState('the call to be muted', state => state.call?.muted);
  await popup.locator('#mute').click();
  await probe.waitState('the call to be unmuted', state => state.call && !state.call.muted);
  await popup.locator('#hang-up').click();
  await until('the agent to have hung up', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
  await probe.waitState('the call to be gone', state => state.call == null);
});

test('the welcome page obtains the microphone', async ({ driven, stack, switchboard: _clean }) => {
  const page = await driven.context.newPage();
  await page.goto(driven.extensionUrl('welcome.html'));
  await expect.poll(() => page.evaluate(async () => (await navigator.permissions.query({ name: 'microphone' })).state)).toBe('granted');
  await expect(page.locator('#permission-title')).toBeVisible();
  expect(stack.extension_id).toHaveLength(32);
});
