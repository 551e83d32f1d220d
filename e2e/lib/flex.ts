// The agent's desktop: the real Flex UI, driven by the buttons that an agent has.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrowserContext, Page } from 'playwright-core';
import type { Configure, ExpectCalls, Heartbeat, SignOut } from '../generated/protocol.d.ts';
import { must, until } from './stack.ts';

const PICTURES = fileURLToPath(new URL('../../target/run/pictures/', import.meta.url));

export const DESKTOP = 'https://flex.twilio.com/agent-desktop';

const ACCEPT = '.Twilio-TaskButton-Accept';
const MUTE = '.Twilio-CallCanvas-MuteButton';
const HANG_UP = '[data-testid="hangup-footer"]';
const DIALPAD = '[data-testid="dialpad"]';
const HOLD = '[data-testid="hold-participant"], .Twilio-TaskButton-Hold';
const STATUS = '[data-testid="holdfast-voice-status"]';

/** What the plugin said of its agent, without what is secret. */
export type Said = { type: string } & Partial<Configure & SignOut & ExpectCalls>;

/** What is noted in Flex's page, with the moments at which it was first so. */
export interface Seen {
  configureAt: number | null;
  registeredAt: number | null;
  last: Heartbeat | null;
  beatAt: number | null;
  types: Record<string, number>;
  said: Said[];
  flexAt: number | null;
  liveAt: number | null;
  asked?: boolean;
}

/** Notes every message between plugin and extension, and when. No secrets. */
function observe([mute, hangUp]: [string, string]) {
  const seen: Seen = (window.__seen = { configureAt: null, registeredAt: null, last: null, beatAt: null, types: {}, said: [], flexAt: null, liveAt: null });
  const OURS = /_(CONFIGURE|FLEX_TOKEN|HANGUP_CALL|SEND_DTMF_DIGITS|SET_MUTE|SELECT_AUDIO_DEVICE|SET_VOLUME|CALL_CONTEXT|SIGN_OUT|EXPECT_CALLS)$/;
  const usable = (selector: string) => {
    const button = document.querySelector<HTMLButtonElement>(selector)!;
    return Boolean(button) && !button.disabled && button.getAttribute('aria-disabled') !== 'true' && button.offsetParent !== null;
  };
  const looking = setInterval(() => {
    const flex = globalThis.Twilio?.Flex?.Manager?.getInstance?.()?.store?.getState()?.flex;
    if (flex?.worker?.activity?.name && document.querySelector('.Twilio-MainHeader')) seen.flexAt ??= performance.now();
    if (flex?.phone?.activeCall && usable(mute) && usable(hangUp)) seen.liveAt ??= performance.now();
    if (seen.liveAt !== null) clearInterval(looking);
  }, 20);
  /** Anything may be posted in a page: what is not of this shape has no type of ours. */
  type Posted = { type?: unknown; payload?: Configure & SignOut & ExpectCalls & Heartbeat & { code?: string } } | null | undefined;
  const note = (data: Posted) => {
    const type = typeof data?.type === 'string' ? data.type : '';
    if (!type.startsWith('VOICE_CLIENT_EXTENSION_')) return;
    const payload = data?.payload;
    seen.types[type] = (seen.types[type] ?? 0) + 1;
    if (type.endsWith('_CONFIGURE')) seen.configureAt ??= performance.now();
    if (/_(CONFIGURE|SIGN_OUT|EXPECT_CALLS)$/.test(type)) {
      const said = { type: type.replace('VOICE_CLIENT_EXTENSION_', ''), ...payload };
      seen.said.push(said);
      globalThis.__tell?.(said); // to a test that wants it also from a page that is about to go
    }
    // The agent is asked about the token service once: how long a click takes is no part of the measure.
    if (type.endsWith('_ERROR') && payload?.code === 'consent_needed') seen.asked = true;
    if (type.endsWith('_CONFIGURED') && seen.asked) {
      seen.asked = false;
      seen.configureAt = performance.now();
    }
    if (type.endsWith('_HEARTBEAT') && payload) {
      seen.last = payload;
      seen.beatAt = performance.now();
      // A replaced extension's heartbeat has no `registered`: there a heartbeat without an error must do.
      if (payload.registered ?? payload.error !== true) seen.registeredAt ??= performance.now();
    }
  };
  // What the plugin says, and what it hears: in its own place, because nobody else in the page hears what goes over its port.
  const listen = (target: { postMessage: unknown }) => {
    const say = (target.postMessage as (...all: unknown[]) => void).bind(target);
    target.postMessage = (data: Posted, ...rest: unknown[]) => {
      note(data);
      say(data, ...rest);
    };
  };
  listen(window);
  addEventListener('message', ({ source, data }) => {
    if (source === window && !OURS.test(data?.type)) note(data);
  });
  const Channel = MessageChannel;
  window.MessageChannel = function (this: unknown) {
    const channel = new Channel();
    listen(channel.port1);
    channel.port1.addEventListener('message', ({ data }) => note(data));
    return channel;
  } as unknown as typeof MessageChannel;
}

/** Runs in the page before anything else. */
export const OBSERVE = `(${observe})(${JSON.stringify([MUTE, HANG_UP])})`;

/** One Flex tab. */
export class FlexPage {
  static async open(context: BrowserContext, { url = DESKTOP, waitReady = true } = {}) {
    const page = await context.newPage();
    const flex = new FlexPage(page);
    await page.addInitScript(OBSERVE);
    await page.goto(url, { waitUntil: 'commit' });
    if (waitReady) await flex.ready();
    return flex;
  }

  readonly page: Page;
  readonly errors: string[];

  constructor(page: Page) {
    this.page = page;
    this.errors = [];
    page.on('pageerror', error => this.errors.push(String(error.message).slice(0, 300)));
  }

  /** Flex has booted and the extension's voice client is registered for this page. */
  async ready(timeout = 60_000) {
    await until('Flex and the voice client to be ready', () => this.page.evaluate(() => {
      const flex = globalThis.Twilio?.Flex?.Manager?.getInstance?.()?.store?.getState()?.flex;
      return Boolean(flex?.worker?.activity?.name) && window.__seen?.registeredAt != null;
    }), { timeout, every: 100 });
  }

  /** From the plugin's first CONFIGURE to the first heartbeat that says "registered", in ms. */
  registeredMs = () => this.page.evaluate(() => Math.round(window.__seen.registeredAt! - window.__seen.configureAt!));

  /** What the extension last told this page. */
  heartbeat = (): Promise<Heartbeat | null> => this.page.evaluate(() => window.__seen?.last ?? null);

  /** The same, where it has to have told it something. */
  beat = async () => must(await this.heartbeat(), 'word from the extension');

  /** What the extension tells this page once it carries a call: Flex may show one earlier, the heartbeat comes once a second. */
  carrying = () => until('the extension to carry the call', async () => {
    const beat = await this.heartbeat();
    return beat?.call && { ...beat, call: beat.call };
  });

  /** What the plugin said of its agent: each CONFIGURE, SIGN_OUT and EXPECT_CALLS, without what is secret. */
  said = (type: string) => this.page.evaluate(wanted => window.__seen.said.filter(one => one.type === wanted), type);

  /** How many messages of each type crossed the page. */
  messageTypes = () => this.page.evaluate(() => window.__seen?.types ?? {});

  /** Flex's own view: activity, the active call in its store, tasks. */
  store = () => this.page.evaluate(() => {
    const flex = Twilio.Flex.Manager.getInstance().store.getState().flex;
    const call = flex.phone.activeCall;
    return {
      activity: flex.worker.activity.name,
      contactUri: flex.worker.attributes.contact_uri,
      callSid: call?.parameters?.CallSid ?? null,
      muted: call ? call.isMuted() : null,
      tasks: [...flex.worker.tasks.values()].map((task): { sid: string; taskSid: string; status: string } => ({ sid: task.sid, taskSid: task.taskSid, status: task.status })),
    };
  });

  /** The call in Flex's store, where there has to be one. */
  callSid = async () => must((await this.store()).callSid, 'call in Flex');

  /** The toast with these words; Flex says them once more to screen readers. */
  toast = (words: string | RegExp) => this.page.getByTestId('notification-message').filter({ hasText: words }).first();

  version = () => this.page.evaluate(() => Twilio.Flex.VERSION ?? null);

  async accept(timeout = 15_000) {
    await this.page.locator(ACCEPT).first().click({ timeout });
  }

  /** True when Flex shows the live call with Flex's own mute and hang-up buttons, enabled, acting on our call. */
  liveControls = () => this.page.evaluate(([mute, hangUp]) => {
    const usable = (selector: string) => {
      const button = document.querySelector<HTMLButtonElement>(selector)!;
      return Boolean(button) && !button.disabled && button.getAttribute('aria-disabled') !== 'true' && button.offsetParent !== null;
    };
    const flex = globalThis.Twilio?.Flex?.Manager?.getInstance?.()?.store?.getState()?.flex;
    return Boolean(flex?.phone?.activeCall) && usable(mute) && usable(hangUp);
  }, [MUTE, HANG_UP] as const);

  async waitLive(timeout = 60_000) {
    await until('Flex to show the live call with working controls', this.liveControls, { timeout });
  }

  /** F5. Gives back how long until the call is shown again with working controls: from the start of the navigation,
   *  and from the page's load event. */
  async reload() {
    await this.page.reload({ waitUntil: 'commit' });
    await this.waitLive();
    return this.page.evaluate(() => {
      const [entry] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
      return {
        sinceNavigationMs: Math.round(performance.now()),
        sinceLoadMs: Math.round(performance.now() - entry.loadEventEnd),
        // The plugin's first word: before it Flex itself boots.
        sincePluginMs: Math.round(performance.now() - window.__seen.configureAt!),
      };
    });
  }

  async toggleMute() {
    await this.page.locator(MUTE).click();
  }

  /** Presses the digits on Flex's own dialpad. */
  async dial(digits: string) {
    await this.page.locator(DIALPAD).click();
    for (const digit of digits) {
      await this.page.locator(`.Twilio-Dialpad-Button-${({ '*': 'star', '#': 'hash' } as Record<string, string>)[digit] ?? digit}`).first().click();
    }
    await this.page.locator(DIALPAD).click();
  }

  async hangUp(options = {}) {
    await this.page.locator(HANG_UP).click(options);
  }

  /** After the call: Complete, and no task is left. */
  async complete() {
    await this.page.locator('.Twilio-TaskButton-Complete, [data-testid="complete"], button:has-text("Complete")').first().click({ timeout: 15_000 });
    await until('the task to be gone from Flex', async () => (await this.store()).tasks.length === 0);
  }

  /** Flex has booted, whatever the voice client does. */
  async booted(timeout = 60_000) {
    await until('Flex to boot', () => this.page.evaluate(() => {
      const flex = globalThis.Twilio?.Flex?.Manager?.getInstance?.()?.store?.getState()?.flex;
      return Boolean(flex?.worker?.activity?.name) && Boolean(document.querySelector('.Twilio-MainHeader'));
    }), { timeout, every: 100 });
  }

  /** F5, whatever there is to come back. */
  async refresh() {
    await this.page.reload({ waitUntil: 'commit' });
    await this.booted();
  }

  /** After a reload in a call: how long after Flex's own boot the live call was shown, in ms. */
  behindFlexMs = () => this.page.evaluate(() => Math.round(window.__seen.liveAt! - window.__seen.flexAt!));

  /** Any of Flex's actions; resolves to what it was rejected with, or null. */
  invoke = (action: string, payload?: object) => this.page.evaluate(([name, given]) => Twilio.Flex.Actions.invokeAction(name, given)
    .then(() => null, (error: Error) => String(error?.message ?? error)), [action, payload] as const);

  /** The item in Flex's header. */
  get status() {
    return this.page.locator(STATUS);
  }

  get details() {
    return this.page.getByTestId('holdfast-voice-details');
  }

  async showDetails(shown = true) {
    if (await this.details.isVisible() !== shown) await this.status.click();
    await this.details.waitFor({ state: shown ? 'visible' : 'hidden' });
  }

  notification = (text: string | RegExp) => this.page.locator('.Twilio-NotificationBar, [class*="Notification"]').filter({ hasText: text }).first();

  joinCall = () => this.page.locator('[data-testid="join-call"]');

  toggleHold = () => this.page.locator(HOLD).first().click();

  /** True while Flex holds the customer. */
  held = () => this.page.evaluate(() => {
    const { flex } = Twilio.Flex.Manager.getInstance().store.getState();
    const [task] = [...flex.worker.tasks.values()];
    return task?.conference?.participants?.find(one => one.participantType === 'customer')?.onHold ?? null;
  });

  /** Selects the first task, as an agent does in a tab that was just opened. */
  select = () => this.page.locator('.Twilio-TaskListBaseItem').first().click();

  /** Waits until the worker is in an activity. */
  untilActivity = (name: string, timeout = 20_000) => until(`the agent to be in “${name}”`, async () => (await this.store()).activity === name, { timeout });

  /** Keeps a picture for people to look at. */
  async picture(name: string) {
    fs.mkdirSync(PICTURES, { recursive: true });
    await this.page.screenshot({ path: path.join(PICTURES, `${name}.png`) });
  }
}
