// What is shown of microphone and speaker is what is: devices that cannot be opened, that open slowly, that the computer
// mutes, or of which Chrome says nothing. And what goes with a call's sound: the tone of an answer, and digits.
import type { BarePage, Chromium } from '../lib/cdp.ts';
import { execFileSync } from 'node:child_process';
import type { AudioState, UiState } from '../generated/protocol.d.ts';
import { FlexPage } from '../lib/flex.ts';
import { Probe, audioGoesOn } from '../lib/probe.ts';
import { whyNoPulse } from '../lib/pulse.ts';
import { type Switchboard, type Stack, until } from '../lib/stack.ts';
import { expect, test, uiState, withPulse } from '../lib/test.ts';

async function ready(chromium: Chromium, stack: Stack, switchboard: Switchboard) {
  const probe = await Probe.openBare(chromium, stack, switchboard);
  const { voiceClientIdentity: identity } = await probe.register();
  const options = await chromium.page();
  await options.goto(`chrome-extension://${stack.extension_id}/options.html`);
  const offscreen = await chromium.attach(({ url }) => url.endsWith('/offscreen.html'));
  return { probe, identity, options, offscreen };
}

const choose = (options: BarePage, kind: 'microphone' | 'speaker', deviceId: string) => options.evaluate((kind: 'microphone' | 'speaker', deviceId: string) => {
  globalThis.__port ??= chrome.runtime.connect({ name: 'popup' });
  globalThis.__port.postMessage({ type: 'selectAudioDevice', kind, deviceId });
}, kind, deviceId);

const audio = (options: BarePage, what: string, wanted: (now: AudioState, state: UiState) => unknown, timeout = 15_000) => until(what, async () => {
  const state = await uiState(options);
  if (state.audio && wanted(state.audio, state)) return state.audio;
  throw new Error(JSON.stringify([state.audio, state.problem]));
}, { timeout });

const devices = (options: BarePage, kind: 'microphones' | 'speakers') => audio(options, 'the devices', now => now[kind].length > 1).then(now => now[kind].filter(({ id }) => id !== 'default'));

/** Lets the offscreen document fail to open this microphone, or with null none, and notes what was asked for. */
const busy = (offscreen: BarePage, id: string | null) => offscreen.evaluate(id => {
  window.__busy = id;
  if (window.__asked) return;
  window.__asked = [];
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = constraints => {
    const { deviceId } = Object(constraints?.audio) as MediaTrackConstraints;
    const { exact } = Object(deviceId) as ConstrainDOMStringParameters;
    window.__asked.push(exact ?? 'default');
    return exact && exact === window.__busy ? Promise.reject(new DOMException('Could not start audio source', 'NotReadableError')) : real(constraints);
  };
}, id);

test('a microphone that another program uses is stood in for, said to be so, and used again when somebody looks and it is free', async ({ untouched, stack, switchboard }) => {
  const { probe, identity, options, offscreen } = await ready(untouched, stack, switchboard);
  const [one, other] = await devices(options, 'microphones');
  await choose(options, 'microphone', one.id);
  await audio(options, 'the choice', now => now.wanted.microphone?.id === one.id && now.microphone?.id === one.id);
  await busy(offscreen, one.id);
  const sid = await probe.takeCall(identity);
  const now = await audio(options, 'another to stand in', now => now.missing.includes('microphone'));
  expect(now.microphone?.id).toBe('default');
  expect(now.wanted.microphone?.id).toBe(one.id);
  await until('the agent to be told', async () => (await uiState(options)).problem?.code === 'audio_device_missing');
  await until('the notification', () => options.evaluate(async () => (await chrome.notifications.getAll()).trouble));
  await audioGoesOn(switchboard, sid, 1000);

  // In a call: one that opens is shown when it is open, one that does not is not.
  await choose(options, 'microphone', other.id);
  await audio(options, 'the other to be in use', now => now.microphone?.id === other.id && now.missing.length === 0);
  await choose(options, 'microphone', one.id);
  await audio(options, 'the other one not to be in use', now => now.missing.includes('microphone') && now.microphone?.id === 'default');

  await busy(offscreen, null);
  const popup = await untouched.page();
  await popup.goto(`chrome-extension://${stack.extension_id}/popup.html`);
  await audio(options, 'the wanted one to be in use', now => now.microphone?.id === one.id && now.missing.length === 0);
  await audioGoesOn(switchboard, sid, 1000);
  expect((await switchboard.getCall(sid)).agent_to_customer.lost).toBe(0);
  await probe.send('HANGUP_CALL');
  await until('the agent to have hung up', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
});

test('a speaker that cannot be used is stood in for and said to be so, in a call and in a test', async ({ untouched, stack, switchboard }) => {
  const { probe, identity, options, offscreen } = await ready(untouched, stack, switchboard);
  const [one] = await devices(options, 'speakers');
  await offscreen.evaluate((id: string) => {
    const real = HTMLMediaElement.prototype.setSinkId;
    window.__busy = id;
    HTMLMediaElement.prototype.setSinkId = function (id) {
      return id === window.__busy ? Promise.reject(new DOMException('The operation could not be performed', 'AbortError')) : real.call(this, id);
    };
  }, one.id);
  await choose(options, 'speaker', one.id);
  await audio(options, 'the choice', now => now.wanted.speaker?.id === one.id);
  await options.evaluate(() => globalThis.__port.postMessage({ type: 'testSpeaker' }));
  await audio(options, 'the test to say what it was heard on', now => now.speaker?.id === 'default' && now.missing.includes('speaker'));
  const sid = await probe.takeCall(identity);
  await audio(options, 'the call to say it', (now, { problem }) => now.missing.includes('speaker') && problem?.code === 'audio_device_missing');
  await offscreen.evaluate(() => { window.__busy = null; navigator.mediaDevices.dispatchEvent(new Event('devicechange')); });
  await audio(options, 'the wanted one to play', (now, { problem }) => now.speaker?.id === one.id && now.missing.length === 0 && !problem);
  await switchboard.hangUp(sid);
});

/** Makes every microphone take so long to open. */
const slow = (offscreen: BarePage, ms: number) => offscreen.evaluate((ms: number) => {
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.__opened = 0;
  navigator.mediaDevices.getUserMedia = async constraints => {
    window.__opened++;
    await new Promise(resolve => setTimeout(resolve, ms));
    const stream = await real(constraints);
    window.__tracks = stream.getTracks();
    return stream;
  };
}, ms);

const answered = (switchboard: Switchboard, sid: string) => until('the call to be answered or over', async () => {
  const now = await switchboard.getCall(sid);
  return (now.answer_ms != null || now.state === 'ended') && now;
}, { timeout: 60_000 });

test('a microphone that takes twelve seconds to open delays the call, is asked for once, and nothing else is blamed', async ({ untouched, stack, switchboard }) => {
  test.setTimeout(120_000);
  const { identity, options, offscreen } = await ready(untouched, stack, switchboard);
  await slow(offscreen, 12_000);
  const { call_sid: sid } = await switchboard.call(`client:${identity}`);
  const call = await answered(switchboard, sid);
  expect(call.state).toBe('answered');
  expect(call.answer_ms).toBeLessThan(15_000);
  expect(await offscreen.evaluate(() => window.__opened)).toBe(1);
  const state = await uiState(options);
  expect(state.problem?.message ?? '').not.toMatch(/firewall|network/i);
  expect(JSON.stringify(state.log)).not.toContain('is dead');
  await audioGoesOn(switchboard, sid, 1000);
  await switchboard.hangUp(sid);
  await audio(options, 'the microphone to be closed', now => !now.microphoneOpen);
});

test('a socket that is dead while the microphone opens costs no second microphone', async ({ untouched, stack, switchboard }) => {
  test.setTimeout(120_000);
  const { identity, options, offscreen } = await ready(untouched, stack, switchboard);
  await slow(offscreen, 500);
  // The waiting socket answers nothing; what is dialled anew does.
  await offscreen.evaluate(() => {
    const real = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
      if (!window.__dead && /"type":"(invite|answer|reconnect)"/.test(data as string)) window.__dead = this;
      return this === window.__dead ? undefined : real.call(this, data);
    };
  });
  const { call_sid: sid } = await switchboard.call(`client:${identity}`);
  const call = await answered(switchboard, sid);
  expect(call.state).toBe('answered');
  expect(await offscreen.evaluate(() => window.__opened)).toBe(1);
  await until('the microphone to be heard', async () => (await switchboard.getCall(sid)).agent_to_customer.rms > 200);
  await switchboard.hangUp(sid);
  await audio(options, 'the microphone to be closed', now => !now.microphoneOpen);
});

test('a microphone that does not open in twenty seconds ends the call under its own name, and is closed when it comes', { tag: '@long' }, async ({ untouched, stack, switchboard }) => {
  test.setTimeout(120_000);
  const { identity, options, offscreen } = await ready(untouched, stack, switchboard);
  await slow(offscreen, 23_000);
  const { call_sid: sid } = await switchboard.call(`client:${identity}`);
  const { problem } = await until('the agent to be told', async () => {
    const state = await uiState(options);
    return state.problem && { problem: state.problem };
  }, { timeout: 40_000 });
  expect(problem.code).toBe('microphone_unavailable');
  expect(problem.message).toMatch(/microphone did not open in time/);
  expect(problem.message).not.toMatch(/firewall|network/i);
  await until('the caller to be routed on', async () => (await switchboard.getCall(sid)).state === 'ended');
  await until('what came too late to be closed', () => offscreen.evaluate(() => window.__tracks?.every(({ readyState }) => readyState === 'ended')));
});

test('a headset that is plugged in without an event is listed when somebody looks', async ({ untouched, stack, switchboard }) => {
  const { options, offscreen } = await ready(untouched, stack, switchboard);
  await devices(options, 'microphones');
  await offscreen.evaluate(() => {
    const real = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
    navigator.mediaDevices.enumerateDevices = async () => {
      const of = (value: string) => ({ value });
      const quiet = { deviceId: of('quiet'), kind: of('audioinput'), label: of('Quiet headset'), groupId: of('') };
      return [...await real(), Object.create(MediaDeviceInfo.prototype, quiet)];
    };
  });
  const isListed = (now: AudioState) => now.microphones.some(({ label }) => label === 'Quiet headset');
  const popup = await untouched.page();
  await popup.goto(`chrome-extension://${stack.extension_id}/popup.html`);
  await audio(options, 'the headset to be listed', isListed);
});

test('a row of sixty digits with pauses in one message, and of thirty-nine from Flex, reach the customer whole', { tag: '@alone' }, async ({ driven, switchboard }) => {
  test.setTimeout(180_000);
  await switchboard.setActivity('Available');
  const flex = await FlexPage.open(driven.context);
  await flex.untilActivity('Available');
  const known = new Set((await switchboard.calls()).map(({ call_sid }) => call_sid));
  await switchboard.task();
  await flex.accept();
  await flex.waitLive();
  const sid = await until('the call', async () => (await switchboard.calls()).find(one => !known.has(one.call_sid) && one.state === 'answered')?.call_sid);
  const heard = (what: string, wanted: string) => until(what, async () => {
    const { dtmf } = await switchboard.getCall(sid);
    if (dtmf === wanted) return true;
    throw new Error(`the customer heard ${dtmf}`);
  }, { timeout: 60_000 });
  const row = '12345678901234567890123456789012345678#';
  await flex.page.evaluate(digits => Twilio.Flex.Manager.getInstance().store.getState().flex.phone.activeCall?.sendDigits(digits), row);
  await heard('the digits of Flex', row);
  const popup = await driven.context.newPage();
  await popup.goto(driven.extensionUrl('popup.html'));
  const second = '1234567890'.repeat(6);
  await popup.evaluate(digits => chrome.runtime.connect({ name: 'popup' }).postMessage({ type: 'sendDigits', digits }), second.replace('7', `${'w'.repeat(6)}7`));
  await heard('the digits of one message', row + second);
  await flex.hangUp();
});

test('a gateway that closes the connection after an error has the registration back within seconds', async ({ untouched, stack, switchboard }) => {
  const { probe, identity } = await ready(untouched, stack, switchboard);
  const isRegistered = async () => (await switchboard.state()).sockets.some(socket => socket.identity === identity && socket.registered);
  const took = [];
  for (let round = 0; round < 2; round++) {
    await switchboard.fault({ kind: 'gateway_error', code: 31206, message: 'Rate exceeded', close: true });
    const closed = performance.now();
    await probe.waitState('the registration to be lost', ({ registered }) => !registered);
    await until('the registration to be back', isRegistered, { timeout: 20_000 });
    await probe.waitState('the page to hear of it', ({ registered }) => registered);
    took.push(performance.now() - closed);
  }
  console.log(`    registered again after ${took.map(Math.round).join(', ')} ms`);
  expect(Math.max(...took)).toBeLessThan(8_000);
  const sid = await probe.takeCall(identity);
  await switchboard.hangUp(sid);
});

test.describe('with a sound server', () => {
  const why = whyNoPulse();
  test.skip(why !== null, why ?? '');

  withPulse('an agent whose microphone is muted by the system is told within five seconds, and our own mute is left alone', async ({ untouched, stack, pulse, switchboard }) => {
    const { probe, identity, options } = await ready(untouched, stack, switchboard);
    const sid = await probe.takeCall(identity);
    await audioGoesOn(switchboard, sid, 1000);
    const pactl = (...args: string[]) => execFileSync('pactl', args, { env: { ...process.env, ...pulse.env }, encoding: 'utf8' });
    pactl('set-source-mute', 'builtin', '1');
    const muted = performance.now();
    const said = await until('the agent to be told', async () => {
      const state = await uiState(options);
      return state.audio?.microphoneMuted && state.call?.warnings?.length && { call: state.call };
    });
    console.log(`    told after ${Math.round(performance.now() - muted)} ms`);
    expect(performance.now() - muted).toBeLessThan(5_000);
    expect(said.call.muted).toBe(false);
    await probe.waitState('Flex to be told', ({ audio }) => audio?.microphoneMuted);
    pactl('set-source-mute', 'builtin', '0');
    await until('the warning to be gone', async () => {
      const { audio, call } = await uiState(options);
      return audio && call && !audio.microphoneMuted && !call.warnings?.length;
    });
    await switchboard.hangUp(sid);
  });

  withPulse('a call that is answered by itself is told by a tone on the agent’s speaker, which the customer does not hear', async ({ untouched, stack, switchboard }) => {
    const { probe, identity, options, offscreen } = await ready(untouched, stack, switchboard);
    const [speaker] = await devices(options, 'speakers');
    await choose(options, 'speaker', speaker.id);
    await audio(options, 'the choice', now => now.speaker?.id === speaker.id);
    // The worker's word is put into its mouth: what this document does with it is what is looked at.
    await offscreen.send('Page.enable');
    await offscreen.send('Page.addScriptToEvaluateOnNewDocument', { source: `
      const connect = chrome.runtime.connect.bind(chrome.runtime);
      chrome.runtime.connect = info => {
        const port = connect(info);
        const listen = port.onMessage.addListener.bind(port.onMessage);
        port.onMessage.addListener = heard => listen(message => heard(message?.type === 'connect' ? { ...message, tone: true } : message));
        return port;
      };
      window.__tones = [];
      const play = HTMLMediaElement.prototype.play;
      HTMLMediaElement.prototype.play = function () {
        if (this.src.startsWith('blob:')) this.addEventListener('ended', () => __tones.push({ sink: this.sinkId, seconds: this.duration, volume: this.volume }));
        return play.call(this);
      };` });
    await offscreen.send('Page.reload');
    await until('the document to be back', () => offscreen.evaluate(() => window.__tones?.length === 0));
    const { call_sid: sid } = await switchboard.call(`client:${identity}`);
    // What is loudest in the last second of what the customer hears, from the first packet on; the microphone is silent.
    const loudest: (number | null)[] = [];
    const listening = until('the customer to have listened for three seconds', async () => {
      const { answer_ms: answered, agent_to_customer: up } = await switchboard.getCall(sid);
      if (answered != null) loudest.push(up.tone_hz ?? null);
      return loudest.length >= 30;
    }, { timeout: 30_000, every: 100 });
    const [tone] = await until('the tone', () => offscreen.evaluate(() => window.__tones.length > 0 && window.__tones));
    expect(tone).toEqual({ sink: speaker.id, seconds: 0.24, volume: 1 });
    await audioGoesOn(switchboard, sid, 1000);
    await listening;
    const notes = loudest.filter(hz => hz !== null && [880, 1175].some(note => Math.abs(hz - note) < 30));
    expect(notes, `loudest: ${loudest}`).toEqual([]);
    expect(await offscreen.evaluate(() => window.__tones.length)).toBe(1);
    await switchboard.hangUp(sid);
  });
});
