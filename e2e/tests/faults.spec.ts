// What a call does when signalling or media is lost, and what the agent is told.
import { bar } from '../lib/bars.ts';
import { type Beat, type Probe, audioGoesOn } from '../lib/probe.ts';
import { type Switchboard, sleep, until } from '../lib/stack.ts';
import { expect, test, uiState } from '../lib/test.ts';

/** The gateway is away for so long: sockets are cut, and new ones refused. */
const loseSignalling = async (switchboard: Switchboard, ms?: number) => {
  await switchboard.fault({ kind: 'signalling_refuse', ...(ms ? { ms } : {}) });
  await switchboard.fault({ kind: 'signalling_drop' });
};

const loseMedia = (switchboard: Switchboard, ms?: number) => switchboard.fault({ kind: 'media_loss', direction: 'both', percent: 100, ...(ms ? { ms } : {}) });

const openCall = async (probe: Probe, { voiceClientIdentity: identity }: Beat) => {
  const sid = await probe.takeCall(identity);
  await probe.waitState('the call to be open', ({ call }) => call?.sid === sid && call.state === 'open');
  return sid;
};

const resumed = (probe: Probe, sid: string, timeout: number) => probe.waitState('the same call to be open again',
  state => state.registered && state.call?.sid === sid && state.call.state === 'open', { timeout });

const gone = (probe: Probe, timeout?: number) => probe.waitState('the call to be gone', ({ call }) => call == null, { timeout });

/** The customer gives up, unless the call is over already. */
const over = async (switchboard: Switchboard, sid: string) => {
  await switchboard.hangUp(sid).catch(error => {
    if (!error.message.includes('the call is over')) throw error;
  });
};

const callAgain = async (probe: Probe, switchboard: Switchboard) => {
  await probe.waitState('the registration to be back', state => state.registered, { timeout: 40_000 });
  const sid = await openCall(probe, { voiceClientIdentity: probe.stack.account.extension_identity });
  await audioGoesOn(switchboard, sid, 1000);
  await switchboard.hangUp(sid);
  await gone(probe);
};

for (const seconds of [5, 15]) {
  test(`signalling lost for ${seconds} s costs no packet, and the page is told`, async ({ probe, switchboard }) => {
    const sid = await openCall(probe, await probe.register());
    await loseSignalling(switchboard, seconds * 1000);
    await probe.waitState('the page to be told', ({ call }) => call?.state === 'reconnecting');
    await resumed(probe, sid, seconds * 1000 + 20_000);
    const { agent_to_customer: up, customer_to_agent: down } = await audioGoesOn(switchboard, sid);
    expect([up.lost, down.lost]).toEqual([0, 0]);
    await switchboard.hangUp(sid);
    await gone(probe);
  });
}

test('signalling lost for 30 s, the most that the SDK waits: the call goes on, or ends with a clear reason, and the next one works', { tag: '@long' }, async ({ driven, probe, switchboard }) => {
  const sid = await openCall(probe, await probe.register());
  await loseSignalling(switchboard, 30_000);
  await probe.waitState('the page to be told', ({ call }) => call?.state === 'reconnecting');
  const { call } = await probe.waitState('the call to go on, or to be gone', ({ registered, call }) => call == null || registered && call.state === 'open', { timeout: 60_000 });
  if (call) {
    expect(call.sid).toBe(sid);
    const { agent_to_customer: up, customer_to_agent: down } = await audioGoesOn(switchboard, sid);
    expect([up.lost, down.lost]).toEqual([0, 0]);
    await switchboard.hangUp(sid);
    await gone(probe);
  } else {
    const popup = await driven.context.newPage();
    await popup.goto(driven.extensionUrl('popup.html'));
    const { calls } = await uiState(popup);
    expect(calls.at(-1)).toMatchObject({ sid, problem: { code: 'call_failed' } });
    expect(calls.at(-1)?.problem?.message).toContain('lost');
  }
  console.log(`    the call ${call ? 'went on' : 'ended with its reason'}`);
  await callAgain(probe, switchboard);
});

test('media lost for 10 s beside sound signalling: the page is told, and the same call is heard again', async ({ probe, switchboard }) => {
  const sid = await openCall(probe, await probe.register());
  await loseMedia(switchboard, 10_000);
  await probe.waitState('the page to be told', ({ call }) => call?.state === 'reconnecting', { timeout: 20_000 });
  await resumed(probe, sid, 30_000);
  await until('audio in both directions', () => audioGoesOn(switchboard, sid, 1000), { timeout: 20_000 });
  expect(await probe.state()).toMatchObject({ registered: true, call: { sid, state: 'open', muted: false } });
  await probe.send('HANGUP_CALL');
  await until('the agent to have hung up', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
});

test('a twentieth, a tenth and a fifth of all packets lost: the call stays what it is, sounds worse, is warned of, and recovers', { tag: '@long' }, async ({ driven, probe, switchboard }) => {
  const sid = await openCall(probe, await probe.register());
  const options = await driven.context.newPage();
  await options.goto(driven.extensionUrl('options.html'));
  /** Of the newest five samples, once they are all from now on and pass the test. */
  const fresh = async (what: string, test: (seen: { mos: number; lost: number; warnings: string[] }) => boolean, ms: number) => {
    const since = await options.evaluate(() => Date.now()) + 1000; // the sample under way began before
    return until(what, async () => {
      const { call, quality } = await uiState(options);
      expect(call?.state).toBe('open');
      const samples = quality.filter(({ at }) => at > since).slice(-5);
      const mean = (name: 'mosHundredths' | 'lossPermille') => samples.reduce((sum, sample) => sum + (sample[name] ?? 0), 0) / samples.length;
      const seen = { mos: Math.round(mean('mosHundredths')) / 100, lost: Math.round(mean('lossPermille')) / 10, warnings: call?.warnings ?? [] };
      if (samples.length < 5 || !test(seen)) throw new Error(JSON.stringify(seen));
      return seen;
    }, { timeout: ms });
  };
  const good = await fresh('five samples of a good call', () => true, 15_000);
  const scores = [good.mos];
  for (const percent of [5, 10, 20]) {
    await switchboard.fault({ kind: 'media_loss', direction: 'both', percent });
    const { mos, lost } = await fresh(`samples with ${percent} % lost`, ({ lost }) => Math.abs(lost - percent) <= percent / 2, 30_000);
    console.log(`    ${percent} % lost on the way: the agent is shown ${lost} % and a score of ${mos} (${good.mos} without)`);
    scores.push(mos);
    await switchboard.clearFaults();
  }
  expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  await fresh('the score to be back', ({ mos, warnings }) => mos >= good.mos - 0.1 && !warnings.some(warning => ['high-packet-loss', 'low-mos'].includes(warning)), 40_000);
  expect(await probe.state()).toMatchObject({ registered: true, call: { sid, state: 'open' } });
  await switchboard.hangUp(sid);
  const { quality: summary } = await until('the summary', async () => (await uiState(options)).calls.find(call => call.sid === sid));
  expect(summary.warnings).toContain('high-packet-loss');
});

for (const seconds of [8, 25]) {
  test(`the network lost for ${seconds} s, signalling and media: the same call goes on`, { tag: '@long' }, async ({ probe, switchboard }) => {
    const sid = await openCall(probe, await probe.register());
    await loseMedia(switchboard, seconds * 1000);
    await loseSignalling(switchboard, seconds * 1000);
    await probe.waitState('the page to be told', ({ call }) => call?.state === 'reconnecting', { timeout: 20_000 });
    await sleep(seconds * 1000);
    const back = Date.now();
    await resumed(probe, sid, 30_000);
    const resumedMs = Date.now() - back;
    const since = Date.now();
    await until('audio in both directions', () => audioGoesOn(switchboard, sid, 1000), { timeout: 20_000 });
    // One second of it is what is listened to.
    bar(`network lost for ${seconds} s`, 'same call audible after its return', Math.max(0, Date.now() - since - 1000) + resumedMs, 20_000);
    await probe.send('HANGUP_CALL');
    await until('the agent to have hung up', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
  });
}

test('the network lost for good: the call ends with a clear reason, and the next one works', { tag: '@long' }, async ({ driven, probe, switchboard }) => {
  const sid = await openCall(probe, await probe.register());
  const began = Date.now();
  await loseMedia(switchboard);
  await loseSignalling(switchboard);
  await gone(probe, 60_000);
  bar('network lost for good', 'call ended, and said so', (Date.now() - began) / 1000, 35, 's');
  const popup = await driven.context.newPage();
  await popup.goto(driven.extensionUrl('popup.html'));
  const { calls } = await uiState(popup);
  expect(calls.at(-1)).toMatchObject({ sid, problem: { code: 'call_failed' } });
  expect(calls.at(-1)?.problem?.message).toContain('lost');
  await switchboard.clearFaults();
  await callAgain(probe, switchboard);
});

test('a caller who gives up before the answer is no problem, and the next call works', async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  await switchboard.fault({ kind: 'claim_refused', code: 31404, message: 'Not Found' });
  const { call_sid: sid } = await switchboard.call(`client:${identity}`);
  await until('the claim to be refused', async () => (await switchboard.state()).faults.length === 0);
  await gone(probe);
  await over(switchboard, sid);
  const popup = await driven.context.newPage();
  await popup.goto(driven.extensionUrl('popup.html'));
  const { problem, calls } = await uiState(popup);
  expect([problem ?? null, calls.at(-1)?.problem ?? null]).toEqual([null, null]);
  await callAgain(probe, switchboard);
});

test('a claim that the gateway refuses is shown as a failed call, and the next call works', async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const popup = await driven.context.newPage();
  await popup.goto(driven.extensionUrl('popup.html'));
  for (const code of [31480, 31603, 31486, 31000, 53000]) {
    await switchboard.fault({ kind: 'claim_refused', code, message: 'refused on purpose' });
    const { call_sid: sid } = await switchboard.call(`client:${identity}`);
    const { calls } = await until(`the call refused with ${code} to be over`, async () => {
      const now = await uiState(popup);
      return now.call == null && now.calls.at(-1)?.sid === sid && now;
    });
    expect(calls.at(-1)?.problem?.code, `${code}`).toBe('call_failed');
    await over(switchboard, sid);
  }
  await callAgain(probe, switchboard);
});

test('an answered call without a packet in either direction is noticed within 3 s, repaired once, and then shown', { tag: '@alone' }, async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const popup = await driven.context.newPage();
  await popup.goto(driven.extensionUrl('popup.html'));
  await loseMedia(switchboard);
  const { call_sid: sid } = await switchboard.call(`client:${identity}`);
  await until('the call to be answered', async () => (await switchboard.getCall(sid)).state === 'answered');
  const answered = Date.now();
  await probe.waitState('the silence to be noticed', ({ call }) => call?.state === 'reconnecting');
  const noticed = Date.now() - answered;
  // The page is told by its next heartbeat, a second later at most.
  bar('answered, but silent', 'noticed and told', noticed, 4000);
  // One second for the page's heartbeat and a busy machine.
  expect(noticed).toBeLessThan(4500);
  await until('the agent to be warned', async () => (await uiState(popup)).call?.warnings?.includes('low-bytes-received'), { timeout: 20_000 });
  await switchboard.clearFaults();
  await until('audio in both directions', () => audioGoesOn(switchboard, sid, 1000), { timeout: 40_000 });
  await until('the warning to be taken back', async () => {
    const { call } = await uiState(popup);
    return call?.state === 'open' && !call.warnings?.includes('low-bytes-received');
  }, { timeout: 20_000 });
  await switchboard.hangUp(sid);
  await gone(probe);
});
