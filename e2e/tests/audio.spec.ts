// Microphone and speaker: Chromium's fake devices, chosen, tested and changed while a customer listens.
import type { Page } from 'playwright-core';
import type { Browser } from '../lib/browser.ts';
import type { FromPopup } from '../generated/protocol.d.ts';
import { Probe, audioGoesOn } from '../lib/probe.ts';
import { must, sleep, until } from '../lib/stack.ts';
import { expect, test, uiState } from '../lib/test.ts';

/** What the devices' own pace allows between two packets, on a machine that does other things too. */
const GAP_FLOOR_MS = 60;

/** Sends the worker what the popup would send, from the popup's own page. */
const ask = (popup: Page, message: FromPopup) => popup.evaluate(wanted => {
  globalThis.__port ??= chrome.runtime.connect({ name: 'popup' });
  globalThis.__hears ??= (globalThis.__port.onMessage.addListener(heard => globalThis.__levels?.push(heard)), true);
  globalThis.__levels ??= [];
  globalThis.__port.postMessage(wanted);
}, message);

const openPopup = async (driven: Browser) => {
  const popup = await driven.context.newPage();
  await popup.goto(driven.extensionUrl('popup.html'));
  return popup;
};

const inUse = (popup: Page, kind: 'microphone' | 'speaker', id: string) => until(`${kind} ${id ?? 'default'} to be in use`, async () => {
  const { audio } = await uiState(popup);
  return audio?.[kind]?.id === (id ?? 'default') && audio;
});

test('microphone and speaker are listed, chosen, and changed in a running call without a gap', { tag: '@alone' }, async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const popup = await openPopup(driven);
  const { audio } = await until('the devices', async () => {
    const state = await uiState(popup);
    return state.audio && state.audio.microphones.length > 1 && state.audio.speakers.length > 1 && { audio: state.audio };
  });
  expect(audio.microphones[0].id).toBe('default');
  expect(audio.microphoneOpen).toBe(false);
  const sid = await probe.takeCall(identity);
  await audioGoesOn(switchboard, sid, 1000);
  const others = audio.microphones.filter(({ id }) => id !== 'default');
  for (const [round, { id }] of [others[0], must(others.at(-1), 'other microphone'), others[0]].entries()) {
    const name = `change-${round}`;
    await switchboard.mark(sid, name);
    await ask(popup, { type: 'selectAudioDevice', kind: 'microphone', deviceId: id });
    await inUse(popup, 'microphone', id);
    await sleep(1200);
    await switchboard.mark(sid, name, true);
  }
  const speaker = must(audio.speakers.at(-1), 'other speaker').id;
  await ask(popup, { type: 'selectAudioDevice', kind: 'speaker', deviceId: speaker });
  await inUse(popup, 'speaker', speaker);
  await ask(popup, { type: 'setVolume', percent: 35 });
  await until('the volume', async () => (await uiState(popup)).audio?.wanted.volume === 35);
  const { agent_to_customer: up } = await audioGoesOn(switchboard, sid);
  expect(up.lost).toBe(0);
  await until('the tone of the new microphone', async () => (await switchboard.getCall(sid)).agent_to_customer.rms > 200);
  const { windows, outside } = await switchboard.windows(sid);
  const gaps = windows.map(window => window.agent_to_customer.max_gap_ms);
  console.log(`    longest time without a packet while the microphone changed: ${gaps.join(', ')} ms; else ${outside.agent_to_customer.max_gap_ms} ms`);
  const limit = Math.max(GAP_FLOOR_MS, 3 * outside.agent_to_customer.max_gap_ms);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(limit);
  await probe.send('HANGUP_CALL');
  await until('the microphone to be closed', async () => (await uiState(popup)).audio?.microphoneOpen === false);
});

test('a mute outlives a change of the microphone: nothing of the new one is heard', async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const popup = await openPopup(driven);
  const sid = await probe.takeCall(identity);
  await until('the tone', async () => (await switchboard.getCall(sid)).agent_to_customer.rms > 200);
  await probe.send('SET_MUTE', { muted: true });
  await until('silence', async () => (await switchboard.getCall(sid)).agent_to_customer.rms < 20);
  const { audio } = await uiState(popup);
  const other = must(audio?.microphones.at(-1), 'other microphone').id;
  await ask(popup, { type: 'selectAudioDevice', kind: 'microphone', deviceId: other });
  await inUse(popup, 'microphone', other);
  for (let look = 0; look < 15; look++) {
    expect((await switchboard.getCall(sid)).agent_to_customer.rms).toBeLessThan(20);
    await sleep(100);
  }
  await probe.send('SET_MUTE', { muted: false });
  await until('the tone to be back', async () => (await switchboard.getCall(sid)).agent_to_customer.rms > 200);
  await switchboard.hangUp(sid);
});

test('the microphone test shows a level and ends with its page; the tone plays', async ({ driven, probe }) => {
  await probe.register();
  const popup = await openPopup(driven);
  await until('the devices', async () => (await uiState(popup)).audio?.microphones.length);
  await ask(popup, { type: 'testMicrophone', on: true });
  await until('a level', () => popup.evaluate(() => globalThis.__levels.some(said => said.type === 'level' && said.percent > 20)));
  const watcher = await openPopup(driven);
  expect((await uiState(watcher)).audio?.microphoneOpen).toBe(true);
  await ask(popup, { type: 'testSpeaker' });
  await popup.close();
  await until('the microphone to be closed', async () => (await uiState(watcher)).audio?.microphoneOpen === false);
});

test('the microphone is open in a call and at no other time', async ({ untouched, stack, switchboard }) => {
  const probe = await Probe.openBare(untouched, stack, switchboard);
  const { voiceClientIdentity: identity } = await probe.register();
  const offscreen = await untouched.attach(({ url }) => url.endsWith('/offscreen.html'));
  // Notes every track that anybody in the document is given.
  await offscreen.evaluate(() => {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    globalThis.__tracks = [];
    navigator.mediaDevices.getUserMedia = async constraints => {
      const stream = await real(constraints);
      globalThis.__tracks.push(...stream.getTracks());
      return stream;
    };
  });
  const live = () => offscreen.evaluate(() => globalThis.__tracks.filter(({ readyState }) => readyState === 'live').length);
  const opened = () => offscreen.evaluate(() => globalThis.__tracks.length);
  expect(await opened()).toBe(0);
  for (let call = 1; call <= 2; call++) {
    const sid = await probe.takeCall(identity);
    expect(await live()).toBe(1);
    await switchboard.hangUp(sid);
    await probe.waitState('the call to be gone', state => state.call == null);
    await until('the microphone to be closed', async () => (await live()) === 0);
    expect(await opened(), 'nothing but the calls opened it').toBe(call);
  }
});
