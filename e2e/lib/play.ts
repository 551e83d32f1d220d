// The whole promise, played on real parts; the demo prints what it finds and the tests insist on it.
import { AGENT_TONE_HZ, type Browser } from './browser.ts';
import { Chats } from './chats.ts';
import { FlexPage } from './flex.ts';
import { History } from './history.ts';
import { type Switchboard, type Stack, must, sleep, until } from './stack.ts';
import { VideoDesk } from './video-call.ts';

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
  history?: HistoryReport;
  video?: VideoReport;
}

/** The same of the chat. */
export interface HistoryReport {
  /** From the click on the banner to the first message that is drawn. */
  first_page_ms: number;
  /** How many of the earlier conversation's messages were read. */
  messages: number;
  /** Whether the agent became a participant of what they read: never. */
  agent_joined: boolean;
  /** Over how many reloads tab and place were kept. */
  reloads_kept: number;
}

/** The same of the video call. */
export interface VideoReport {
  /** From the customer's tap on *Join* until both see each other. */
  joined_ms: number;
  customer_sees_agent: boolean;
  agent_sees_customer: boolean;
  /** How often Flex was reloaded in it. */
  reloads: number;
  /** How many pictures of the agent the customer missed over that. */
  frames_lost_in_reload: number;
  /** From F5 of the customer's page until they see the agent again. */
  rejoined_ms: number;
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

/** How often the agent presses F5 in the History tab. */
const HISTORY_RELOADS = 2;
/** And in a video call. */
const VIDEO_RELOADS = 2;

/**
 * Register, call, accept in Flex, two-way audio, N reloads (each until Flex shows the live call with working
 * controls), mute, DTMF, hang up with Flex's own button, wrap up. Fills `report`; `promise(holds, words)` is told of
 * every promise, and third whether it hangs on the machine's speed; throws where nothing further can be played. Gives back
 * Flex as the agent left it.
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
  return flex;
}

/**
 * A customer chats with the bot, then asks for a person: accept, open the History tab by its banner, read what was said,
 * F5, answer in the chat, complete. Another plugin may have no such tab: then there is nothing to play.
 */
export async function playHistory({ switchboard, report, promise, say }: Play, flex: FlexPage) {
  const history = new History(flex);
  const chats = new Chats(switchboard);
  const chat = await chats.bot();
  const source = must(chat.source_conversation_sid, 'conversation with the bot');
  await flex.accept();
  await history.banner.waitFor();
  const { messages } = await chats.get(source);
  const from = await flex.page.evaluate(() => performance.now());
  await history.open.click();
  await history.messages.first().waitFor();
  const first_page_ms = Math.round(await flex.page.evaluate(() => performance.now()) - from);
  const last = messages.at(-1)?.body ?? '';
  await history.sees(last);
  promise(true, `a customer asked the bot for a person; the agent accepted and read what was said before, ${first_page_ms} ms after the click`);
  await history.scrollUpUntil('the first message', async () => (await history.shown()).some(({ sid }) => sid === messages[0].sid));
  const read = new Set((await history.shown()).map(({ sid }) => sid));
  promise(messages.every(({ sid }) => read.has(sid)), `all ${messages.length} messages of the conversation with the bot were read, pictures and places among them`);
  let reloads_kept = 0;
  for (let round = 1; round <= HISTORY_RELOADS; round++) {
    const before = await until('a message in the middle', history.middle);
    await flex.refresh();
    await history.root.waitFor({ timeout: 20_000 });
    const kept = await until('the tab to be where it was', async () => await history.middle() === before, { timeout: 20_000 }).catch(() => false);
    if (kept && !await history.banner.isVisible()) reloads_kept += 1;
    say(`reload ${round}/${HISTORY_RELOADS} in the History tab: ${kept ? 'where it was' : 'somewhere else'}`);
  }
  promise(reloads_kept === HISTORY_RELOADS, `over ${HISTORY_RELOADS} reloads: the tab open, the banner closed, the place kept`);
  const agent_joined = await chats.hasAgent(source);
  promise(!agent_joined, 'the agent was never a participant of what they read');
  report.history = { first_page_ms, messages: messages.length, agent_joined, reloads_kept };

  const answer = 'Hello, this is Ada. I have read what you told the assistant.';
  await flex.invoke('SendMessage', { conversationSid: chat.conversation_sid, body: answer });
  await chats.hears(chat.conversation_sid, answer);
  const [{ sid }] = (await flex.store()).tasks;
  await flex.invoke('WrapupTask', { sid });
  await until('the chat to be wrapping', async () => (await flex.store()).tasks[0]?.status === 'wrapping');
  await flex.complete();
  promise(true, 'answered in the chat, wrapped up and completed');
}

/**
 * A customer writes, and the agent goes on face to face: one click, the customer joins in a Chromium of their own, Flex is reloaded,
 * the customer's page is reloaded, and after-call work ends it for both.
 */
export async function playVideo({ browser, stack, switchboard, report, promise, say }: Play, flex: FlexPage) {
  const desk = await VideoDesk.at(stack, switchboard, browser, flex);
  try {
    const chat = await desk.chat();
    const clicked = performance.now();
    const agent = await desk.escalate();
    await agent.seesOwn();
    say(`a customer writes; the agent clicks on Video and sees themselves ${Math.round(performance.now() - clicked)} ms later`);
    const customer = await desk.customers.open(await desk.link(chat));
    await customer.page.locator('#start').click();
    await customer.shows('check');
    await customer.seesOwn();
    const tapped = performance.now();
    await customer.press('join');
    const [agent_sees_customer, customer_sees_agent] = await Promise.all([agent, customer].map(one => one.sees().then(() => true, () => false)));
    const joined_ms = Math.round(performance.now() - tapped);
    promise(agent_sees_customer && customer_sees_agent, `the customer joined by the link in the chat: both see each other ${joined_ms} ms after the tap`);
    await desk.meet(chat, agent, customer);
    promise(true, 'the media server counts pictures both ways');

    await customer.watch();
    for (let round = 1; round <= VIDEO_RELOADS; round++) {
      await flex.refresh();
      await desk.card.waitFor({ timeout: 30_000 });
      say(`reload ${round}/${VIDEO_RELOADS} of Flex in the video call: its card is there again`);
    }
    const [frames_lost_in_reload, gap] = [await customer.framesLost(), Math.round(await customer.longestGap())];
    // Three times the bar of 200 ms, as everywhere: with ten pictures a second, two that a busy machine brings late are 200 ms apart.
    promise(gap <= 600, `over ${VIDEO_RELOADS} reloads of Flex the customer missed ${frames_lost_in_reload} pictures of the agent, for ${gap} ms at most`, true);
    const reloaded = performance.now();
    await customer.page.reload({ waitUntil: 'commit' });
    await customer.sees();
    const rejoined_ms = Math.round(performance.now() - reloaded);
    promise(true, `the customer pressed F5 and saw the agent again ${rejoined_ms} ms later, without a tap`);
    report.video = { joined_ms, customer_sees_agent, agent_sees_customer, reloads: VIDEO_RELOADS, frames_lost_in_reload, rejoined_ms };

    await desk.wrapUp(chat);
    await Promise.all([agent.shows('over'), customer.shows('over')]);
    await Promise.all([agent.dark(), customer.dark()]);
    await desk.complete(chat);
    promise(true, 'after-call work ended the video call: both pages say so, and no camera is on');
  } finally {
    await desk.customers.close();
  }
}
