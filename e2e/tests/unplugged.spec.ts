// A headset is pulled out in the middle of a call: real devices of a real sound server, not Chromium's fake ones. Chromium
// hears of plugs from the kernel, by way of udev; these devices are none of the kernel's, so that one event is made here.
import { bar } from '../lib/bars.ts';
import type { AudioState } from '../generated/protocol.d.ts';
import { Probe, audioGoesOn } from '../lib/probe.ts';
import { whyNoPulse } from '../lib/pulse.ts';
import { must, until } from '../lib/stack.ts';
import { expect, uiState, withPulse as test } from '../lib/test.ts';

const why = whyNoPulse();

test.skip(why !== null, why ?? '');

const HEADSET = 'Headset';

test('a headset that is unplugged in a call is replaced within a second, said to be missing, and used again when it is back', { tag: '@alone' }, async ({ untouched, stack, pulse, switchboard }) => {
  const plugged = () => pulse.plugInMicrophone('headset', HEADSET);
  const plug = plugged();
  const probe = await Probe.openBare(untouched, stack, switchboard);
  const { voiceClientIdentity: identity } = await probe.register();
  const options = await untouched.page();
  await options.goto(`chrome-extension://${stack.extension_id}/options.html`);
  const offscreen = await untouched.attach(({ url }) => url.endsWith('/offscreen.html'));
  const devicesChanged = () => offscreen.evaluate(() => { navigator.mediaDevices.dispatchEvent(new Event('devicechange')); });
  const audio = (what: string, wanted: (now: AudioState) => unknown) => until(what, async () => {
    const state = await uiState(options);
    if (state.audio && wanted(state.audio)) return state.audio;
    throw new Error(JSON.stringify(state.audio));
  }, { every: 20 });

  const { microphones } = await audio('the headset to be listed', now => now.microphones.some(({ label }) => label === HEADSET));
  const headset = must(microphones.find(({ label, id }) => label === HEADSET && id !== 'default'), 'headset under its own id');
  await options.evaluate(deviceId => chrome.runtime.connect({ name: 'popup' }).postMessage({ type: 'selectAudioDevice', kind: 'microphone', deviceId }), headset.id);
  await audio('the headset to be chosen', now => now.microphone?.label === HEADSET);
  const sid = await probe.takeCall(identity);
  await audioGoesOn(switchboard, sid, 1000);

  const pulled = performance.now();
  pulse.unplug(plug);
  await devicesChanged();
  const without = await audio('another microphone to stand in', now => now.microphone?.label !== HEADSET && now.missing.includes('microphone'));
  bar('headset unplugged in a call', 'another microphone in use', performance.now() - pulled, 1000);
  expect(without.wanted.microphone?.label).toBe(HEADSET);
  await until('audio in both directions', () => audioGoesOn(switchboard, sid, 1000));
  await until('the agent to be told', async () => (await uiState(options)).problem?.code === 'audio_device_missing');
  await until('the notification', () => options.evaluate(async () => (await chrome.notifications.getAll()).trouble));

  plugged();
  await devicesChanged();
  await audio('the headset to be used again', now => now.microphone?.label === HEADSET && now.missing.length === 0);
  await until('audio in both directions', () => audioGoesOn(switchboard, sid, 1000));
  expect((await switchboard.getCall(sid)).agent_to_customer.lost).toBe(0);
  await probe.send('HANGUP_CALL');
  await until('the agent to have hung up', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
});
