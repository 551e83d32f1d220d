// The worker dies and comes back. Nothing may be attached to it here, so this is all bare DevTools (lib/cdp.ts).
import type { Chromium } from '../lib/cdp.ts';
import { bar } from '../lib/bars.ts';
import { percentile } from '../lib/figures.ts';
import { Probe, audioGoesOn } from '../lib/probe.ts';
import { type Stack, sleep, until } from '../lib/stack.ts';
import { expect, test, uiState } from '../lib/test.ts';

/** Longer than the 30 s after which Chromium stops an idle worker. */
const IDLE_MS = 40_000;

const extensionPage = async (untouched: Chromium, stack: Stack) => {
  const page = await untouched.page();
  await page.goto(`chrome-extension://${stack.extension_id}/options.html`);
  return page;
};

test('after a kill the next message is answered by a new worker with the same state', async ({ untouched, stack, switchboard }) => {
  const probe = await Probe.openBare(untouched, stack, switchboard);
  const { voiceClientIdentity: identity } = await probe.register();
  const page = await extensionPage(untouched, stack);
  const before = await uiState(page);
  for (let kill = 1; kill <= 3; kill++) {
    await untouched.killWorker(page);
    const after = await uiState(page);
    expect(after.workerStartedAt, `kill ${kill}`).toBeGreaterThan(before.workerStartedAt);
    expect([after.accountSid, after.identity, after.tokenService]).toEqual([before.accountSid, identity, before.tokenService]);
    await until('the registration to be back', async () => (await uiState(page)).registered);
  }
  const sid = await probe.takeCall(identity);
  await switchboard.hangUp(sid);
});

test('a kill in the middle of a call costs no packet, and page and popup have the call back', async ({ untouched, stack, switchboard }) => {
  const probe = await Probe.openBare(untouched, stack, switchboard);
  const { voiceClientIdentity: identity } = await probe.register();
  const sid = await probe.takeCall(identity);
  const page = await extensionPage(untouched, stack);
  await probe.send('SET_MUTE', { muted: true });
  await probe.waitState('the call to be muted', ({ call }) => call?.muted);
  await audioGoesOn(switchboard, sid);
  await untouched.killWorker(page);
  await audioGoesOn(switchboard, sid, 3000);
  const state = await until('the popup to have the call back', async () => {
    const now = await uiState(page);
    return now.call?.sid === sid && now;
  });
  expect([state.call?.state, state.call?.muted]).toEqual(['open', true]);
  await probe.page.reload();
  expect((await probe.hello()).call).toMatchObject({ sid, muted: true });
  const { agent_to_customer: up, customer_to_agent: down } = await switchboard.getCall(sid);
  expect([up.lost, down.lost]).toEqual([0, 0]);
  await probe.send('HANGUP_CALL');
  await until('the call to end', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
});

test('a worker killed a hundred times, idle, ringing and in a call: it registers again, the call never stops, the controls work', { tag: '@alone' }, async ({ untouched, stack, switchboard }) => {
  test.setTimeout(300_000);
  const probe = await Probe.openBare(untouched, stack, switchboard);
  const { voiceClientIdentity: identity } = await probe.register();
  const page = await extensionPage(untouched, stack);
  // The moments differ from kill to kill, and are the same in every run.
  const moment = (n: number) => (n * 7919) % 1000;
  const kills = { idle: 0, ringing: 0, live: 0 };
  const kill = async (phase: keyof typeof kills) => {
    await untouched.killWorker(page);
    kills[phase]++;
  };
  const registeredAgain = () => until('the registration to be back', async () => (await uiState(page)).registered, { timeout: 20_000 });
  let muted = false;
  /** The next command is carried out within two seconds, by turns from the page and from the popup. */
  const controlsWork = async (n: number) => {
    muted = !muted;
    const wanted = muted;
    const from = performance.now();
    if (n % 2) await probe.send('SET_MUTE', { muted: wanted });
    else await page.evaluate((on: boolean) => chrome.runtime.connect({ name: 'popup' }).postMessage({ type: 'setMute', muted: on }), wanted);
    await probe.waitState('the page to see the microphone switched', ({ call }) => call?.muted === wanted);
    return performance.now() - from;
  };
  const delays = [];
  const registered = [];
  let lost = 0;
  const answers = [];

  for (let n = 1; n <= 30; n++) {
    await kill('idle');
    const from = performance.now();
    if (n % 3 === 0) {
      await registeredAgain();
      registered.push(performance.now() - from);
    } else await sleep(moment(n) / 4);
  }
  await registeredAgain();

  for (let round = 1; round <= 10; round++) {
    const { call_sid: sid } = await switchboard.call(`client:${identity}`);
    await sleep(moment(round) / 5);
    await kill('ringing');
    answers.push(await until('the ringing call to be answered by the next worker', async () => (await switchboard.getCall(sid)).answer_ms, { timeout: 20_000 }));
    muted = false;
    await probe.waitState('the page to show the call', ({ call }) => call?.sid === sid && call.state === 'open', { timeout: 20_000 });
    for (let n = 1; n <= 6; n++) {
      await sleep(moment(round * 10 + n) / 4);
      await kill('live');
      delays.push(await controlsWork(n));
    }
    const { agent_to_customer: up, customer_to_agent: down, ended_by: ended } = await audioGoesOn(switchboard, sid, 600);
    lost += up.lost + down.lost;
    expect([up.lost, down.lost, ended ?? null], `round ${round}`).toEqual([0, 0, null]);
    await probe.send('HANGUP_CALL');
    await until('the call to end', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
    await registeredAgain();
  }
  expect(kills).toEqual({ idle: 30, ringing: 10, live: 60 });
  bar('worker killed 100 times', 'registered again, median', percentile(registered, 0.5), 400);
  bar('worker killed 100 times', 'registered again, 95 %', percentile(registered, 0.95), 1000);
  bar('worker killed while it rings', 'first audio of the agent, largest', Math.max(...answers), 1500);
  bar('worker killed 100 times', 'packets lost in its calls', lost, 0, 'packets');
  bar('worker killed 100 times', 'command to effect, largest', Math.max(...delays), 2000);
  expect(Math.max(...delays)).toBeLessThan(2000);
});

test('a page that says hello long after the worker fell asleep is answered', { tag: '@long' }, async ({ untouched, stack, switchboard }) => {
  const probe = await Probe.openBare(untouched, stack, switchboard);
  await until('the idle worker to be stopped', async () => (await untouched.workers()).length === 0, { timeout: IDLE_MS + 20_000, every: 1000 });
  expect((await probe.register()).voiceClientIdentity).toBe(stack.account.extension_identity);
});

test('with the Flex tab closed the registration stays, and a call that was expected is answered', { tag: '@long' }, async ({ untouched, stack, switchboard }) => {
  const probe = await Probe.openBare(untouched, stack, switchboard);
  const { voiceClientIdentity: identity } = await probe.register({ protocolVersion: 3 });
  await probe.expectCalls('WR1');
  await probe.page.close();
  await sleep(IDLE_MS);
  const sid = await probe.takeCall(identity);
  await audioGoesOn(switchboard, sid);
  await switchboard.hangUp(sid);
});
