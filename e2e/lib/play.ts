// The whole promise, played on real parts; the demo prints what it finds and the tests insist on it.
import { AGENT_TONE_HZ, type Browser } from './browser.ts';
import { FlexPage } from './flex.ts';
import { type Switchboard, type Stack, must, sleep, until } from './stack.ts';

const DTMF = '159';
/** A gap during a reload may be this much larger than the largest outside one; below the floor nobody hears it. */
const GAP_FACTOR = 2;
const GAP_FLOOR_MS = 60;

interface Direction {
  packets: number;
  lost: number;
  max_gap_ms: number;
  max_gap_ms_during_reload: number | null;
}

/** What is written as JSON; what was not reached is not in it. */
export interface Report {
  chromium: string | null;
  flex_ui: string | null;
  registered_ms?: number;
  call_sid?: string;
  answer_ms?: number;
  reloads?: number;
  recovered_ms?: number[];
  recovered_after_load_ms?: number[];
  recovered_after_plugin_ms?: number[];
  dtmf_heard?: string;
  hangup_from?: string;
  agent_to_customer?: Direction;
  customer_to_agent?: Direction;
}

interface Play {
  browser: Browser;
  stack: Stack;
  switchboard: Switchboard;
  reloads: number;
  picture?: string;
  report: Partial<Report>;
  promise(holds: boolean, words: string, onTime?: boolean): void;
  say(words: string): void;
}

/**
 * Register, call, accept in Flex, two-way audio, N reloads (each until Flex shows the live call with working
 * controls), mute, DTMF, hang up with Flex's own button, wrap up. Fills `report`; `promise(holds, words)` is told of
 * every promise, and third whether it hangs on the machine's speed; throws where nothing further can be played.
 */
export async function play({ browser, stack, switchboard, reloads, picture, report, promise, say }: Play) {
  const call = (sid: string) => switchboard.getCall(sid);
  report.chromium = browser.version;
  const flex = await FlexPage.open(browser.context);
  report.flex_ui = await flex.version();
  report.registered_ms = await flex.registeredMs();
  const identity = (await flex.heartbeat())!.voiceClientIdentity;
  promise(identity === stack.account.extension_identity, `registered as ${identity} ${report.registered_ms} ms after the page said hello`);
  await until('contact_uri to be the extension\'s', async () => (await flex.store()).contactUri?.startsWith(`client:${identity}`));
  await until('the agent to be available', async () => (await flex.store()).activity === 'Available');

  const known = new Set((await switchboard.calls()).map(({ call_sid }) => call_sid));
  await switchboard.task();
  await flex.accept();
  const sid = await until('the extension to answer', async () =>
    (await switchboard.calls()).find(one => !known.has(one.call_sid) && one.state === 'answered' && one.first_agent_rtp_ms != null)?.call_sid);
  report.call_sid = sid;
  report.answer_ms = must((await call(sid)).answer_ms, 'answer of the agent');
  await flex.waitLive();
  promise(true, `a customer called, the agent pressed Accept in Flex, the extension answered: first audio ${report.answer_ms} ms after the invite`);

  await sleep(3000);
  const heard = await call(sid);
  const tone = heard.agent_to_customer.tone_hz ?? 0;
  const rtcp = await until('an RTCP report of the agent', async () => {
    const now = await call(sid);
    return now.customer_to_agent.rtcp_reports > 0 && now;
  }, { timeout: 15_000 });
  promise(heard.agent_to_customer.packets > 100 && Math.abs(tone - AGENT_TONE_HZ) < 40,
    `the customer hears the agent's ${AGENT_TONE_HZ} Hz tone (${Math.round(tone)} Hz in ${heard.agent_to_customer.packets} packets)`);
  promise(rtcp.customer_to_agent.packets > 100 && rtcp.customer_to_agent.lost === 0,
    `the agent receives the customer: ${rtcp.customer_to_agent.packets} packets sent, ${rtcp.customer_to_agent.lost} lost by the agent's own RTCP reports`);

  report.reloads = reloads;
  report.recovered_ms = [];
  report.recovered_after_load_ms = [];
  report.recovered_after_plugin_ms = [];
  let muted = false;
  let kept = 0;
  // The contract that Holdfast extends knows no mute; its extension mutes in its own popup only.
  const canMute = ((await flex.heartbeat())!.protocolVersion ?? 1) >= 2;
  if (!canMute) promise(false, 'Flex\'s own mute button mutes: this extension has no message for it');
  for (let round = 1; round <= reloads; round++) {
    await switchboard.mark(sid, `reload-${round}`);
    const took = await flex.reload();
    const store = await flex.store();
    const beat = (await flex.heartbeat())!;
    const stillSame = store.callSid === sid && store.muted === muted && beat.voiceClientIdentity === identity
      && (beat.call === undefined || (beat.call?.sid === sid && beat.call?.muted === muted));
    kept += stillSame ? 1 : 0;
    if (!stillSame) promise(false, `reload ${round}: same call ${sid}, muted ${muted}, identity ${identity}; Flex shows ${JSON.stringify(store)}`);
    report.recovered_ms.push(took.sinceNavigationMs);
    report.recovered_after_load_ms.push(took.sinceLoadMs);
    report.recovered_after_plugin_ms.push(took.sincePluginMs);
    if (round === 1 && picture) await flex.page.screenshot({ path: picture });
    if (canMute) {
      // The controls work: Flex's own mute button changes what the extension does.
      await flex.toggleMute();
      muted = !muted;
      await until(`the extension to be ${muted ? 'muted' : 'unmuted'} by Flex's button`, async () => (await flex.store()).muted === muted
        && ((await flex.heartbeat())!.call?.muted ?? muted) === muted);
    }
    await switchboard.mark(sid, `reload-${round}`, true);
    say(`reload ${round}/${reloads}: the live call was back ${took.sinceNavigationMs} ms after F5${canMute ? `; then ${muted ? 'muted' : 'unmuted'} with Flex's button` : ''}`);
  }
  promise(kept === reloads, `over ${reloads} reloads: same identity, same call SID, same mute state, working controls`);

  if (canMute) {
    if (!muted) await flex.toggleMute();
    await until('silence at the customer', async () => (await call(sid)).agent_to_customer.rms < 20, { timeout: 8000 });
    await flex.toggleMute();
    await until('the tone to be back at the customer', async () => (await call(sid)).agent_to_customer.rms > 200, { timeout: 8000 });
    promise(true, 'muted with Flex\'s button: the customer hears silence; unmuted: the tone is back');
  }

  await flex.dial(DTMF);
  report.dtmf_heard = await until('the customer to hear the digits', async () => {
    const { dtmf } = await call(sid);
    return dtmf?.length >= DTMF.length && dtmf;
  }).catch(async () => (await call(sid)).dtmf);
  promise(report.dtmf_heard === DTMF, `digits pressed on Flex's dialpad: the customer heard ${report.dtmf_heard}`);

  await sleep(1500);
  await flex.hangUp();
  const ended = await until('the call to end', async () => {
    const now = await call(sid);
    return now.state === 'ended' && now;
  });
  report.hangup_from = ended.ended_by ?? 'nobody';
  promise(ended.ended_by === 'agent', `hung up with Flex's own button: the gateway saw the ${ended.ended_by} hang up`);
  await until('Flex to have no call', async () => (await flex.store()).callSid === null);
  await flex.complete();
  promise(true, 'wrapped up and completed; no task is left');

  const { windows, outside } = await switchboard.windows(sid);
  for (const direction of ['agent_to_customer', 'customer_to_agent'] as const) {
    const during = windows.map(window => window[direction].max_gap_ms);
    const figures: Direction = report[direction] = {
      packets: ended[direction].packets,
      lost: ended[direction].lost,
      max_gap_ms: outside[direction].max_gap_ms,
      max_gap_ms_during_reload: during.length ? Math.max(...during) : null,
    };
    const limit = Math.max(GAP_FLOOR_MS, GAP_FACTOR * figures.max_gap_ms);
    promise(figures.lost === 0, `${direction}: 0 of ${figures.packets} packets lost (${figures.lost})`);
    if (reloads > 0) {
      promise(figures.max_gap_ms_during_reload! <= limit,
        `${direction}: largest gap during a reload ${figures.max_gap_ms_during_reload} ms, outside ${figures.max_gap_ms} ms, allowed ${Math.round(limit)} ms`, true);
    }
  }
}

