// A small page at Flex's origin that plays the plugin's part by hand: for everything that needs no Flex UI.
import type { BrowserContext, Page } from 'playwright-core';
import type { ClientState, Configure, ErrorReply, FlexToken, Heartbeat, Problem } from '../generated/protocol.d.ts';
import type { BarePage, Chromium } from './cdp.ts';
import { answerConsentBare } from './consent.ts';
import { type Patience, type Stack, type Switchboard, must, sleep, until } from './stack.ts';

export const ORIGIN = 'https://flex.twilio.com';

/** Notes what the extension says; strict on purpose, to show that the content script needs nothing of the page. */
export const PROBE_HTML = `<!doctype html><meta charset="utf-8"><title>probe</title><script nonce="probe">
  window.__in = [];
  addEventListener('message', event => {
    if (event.source === window && String(event.data?.type).startsWith('VOICE_CLIENT_EXTENSION_')) __in.push(event.data);
  });
</script>`;

/** A policy under which WebAssembly does not compile and nothing is fetched. */
export const STRICT_CSP = { 'content-security-policy': "default-src 'none'; script-src 'nonce-probe'" };

/** What of a message's payload a test may look at: each is there in some messages. */
export type Payload = Partial<Heartbeat & ErrorReply & Problem>;

/** What a page is told when it is registered. */
export type Beat = Pick<Heartbeat, 'voiceClientIdentity'>;

/** What a test says in place of what belongs there, true to the contract or not. */
type Overrides<Message> = { [Field in keyof Message]?: unknown };

/** A page that a probe can be in, Playwright's or a bare one: both run a script of one argument alike. */
interface ProbePage {
  evaluate<Result, Given>(script: (given: Given) => Result, given: Given): Promise<unknown>;
}

/** The plugin's side of the contract, over a Playwright page or a bare one: both have `evaluate`. */
export class Probe<In extends Page | BarePage = Page | BarePage> {
  readonly page: In;
  readonly stack: Stack;
  readonly switchboard: Switchboard;
  flexToken?: FlexToken;

  constructor(page: In, stack: Stack, switchboard: Switchboard) {
    this.page = page;
    this.stack = stack;
    this.switchboard = switchboard;
  }

  /** Opens a probe in a Playwright context. */
  static async open(context: BrowserContext, stack: Stack, switchboard: Switchboard, { headers = {}, path = '/probe' }: { headers?: Record<string, string>; path?: string } = {}) {
    const page = await context.newPage();
    await page.route(`${ORIGIN}/**`, route => route.request().resourceType() === 'document'
      ? route.fulfill({ contentType: 'text/html; charset=utf-8', headers, body: PROBE_HTML })
      : route.continue());
    await page.goto(ORIGIN + path);
    return new Probe(page, stack, switchboard);
  }

  /** Opens a probe in a bare Chromium (lib/cdp.ts). */
  static async openBare(chromium: Chromium, stack: Stack, switchboard: Switchboard) {
    const page = await chromium.page();
    await page.serve(ORIGIN, PROBE_HTML);
    await page.goto(`${ORIGIN}/probe`);
    const probe = new Probe(page, stack, switchboard);
    probe.agree = () => answerConsentBare(chromium, `chrome-extension://${stack.extension_id}/popup.html`);
    return probe;
  }

  /** In a bare Chromium: the agent agrees to the token service, once per browser. (`launch` does it by itself.) */
  agree = async () => {};

  #run = <Given, Result>(script: (given: Given) => Result, given: Given) => (this.page as ProbePage).evaluate(script, given) as Promise<Result>;

  /** Posts anything at all, as a script in the page would. */
  post = (message: unknown) => this.#run(data => window.postMessage(data, location.origin), message);

  send = (name: string, payload?: unknown) => this.post({ type: `VOICE_CLIENT_EXTENSION_${name}`, ...(payload === undefined ? {} : { payload }) });

  configure = (overrides: Overrides<Configure> = {}) => this.send('CONFIGURE', {
    voiceClientTokenGeneratorUrl: this.stack.token_url,
    accountSid: this.stack.account.account_sid,
    extensionVoiceClientPrefix: 'ext_',
    ...overrides,
  });

  async sendFlexToken(overrides: Partial<FlexToken> = {}) {
    const { token, expiration, accountSid } = await this.switchboard.flexLogin();
    this.flexToken = { token, expiration, accountSid, ...overrides };
    await this.send('FLEX_TOKEN', this.flexToken);
  }

  /** Everything received of one type (without the prefix), oldest first. */
  received = (name: string): Promise<{ type: string; payload: Payload }[]> => this.#run(type => __in.filter(message => message.type === type).map(message => ({ ...message, payload: message.payload ?? {} })), `VOICE_CLIENT_EXTENSION_${name}`);

  count = async (name: string) => (await this.received(name)).length;

  /** The newest message of a type that satisfies the test, waiting for it. */
  wait = (name: string, test: (payload: Payload) => unknown = () => true, options: Patience = {}) => until(`${name} from the extension`,
    async () => (await this.received(name)).findLast(message => test(message.payload)), options);

  /** The newest view of the client, from whichever message brought it. */
  heard = () => this.#run(() => (__in.findLast(message => message.payload?.status)?.payload ?? null) as ClientState | null, undefined);

  /** The same, where there has to be one. */
  state = async () => must(await this.heard(), 'view of the client yet');

  waitState = (what: string, test: (state: ClientState) => unknown, options: Patience = {}) => until(what, async () => {
    const state = await this.heard();
    return state && test(state) ? state : null;
  }, options);

  /** The whole handshake, as the plugin does it: answers every CONFIGURED with a Flex token. */
  async register(overrides: Overrides<Configure> = {}): Promise<Heartbeat> {
    await this.configure(overrides);
    const isAsked = async () => (await this.received('ERROR')).some(({ payload }) => payload.code === 'consent_needed');
    await until('the extension to answer CONFIGURE', async () => await this.count('CONFIGURED') > 0 || await isAsked());
    if (await this.count('CONFIGURED') === 0) await this.agree();
    await this.wait('CONFIGURED');
    await this.sendFlexToken();
    return (await this.wait('HEARTBEAT', beat => beat.registered, { timeout: 20_000 })).payload as Heartbeat;
  }

  /** Since version 3 of the contract: which calls the agent expects, all of them each time. */
  expectCalls = (...ids: string[]) => this.send('EXPECT_CALLS', { calls: ids.map(id => ({ id, reason: 'reservation' })) });

  /** After a reload: hello again, with the Flex token that Flex still has. */
  async hello() {
    await this.configure();
    const { payload } = await this.wait('CONFIGURED');
    if (!this.flexToken) return payload;
    await this.send('FLEX_TOKEN', this.flexToken);
    return this.waitState('the extension to know whose page it is', ({ status }) => !['waitingForToken', 'fetchingToken'].includes(status));
  }

  /** Calls this client without Flex and waits until audio flows from the agent. */
  async takeCall(identity: string) {
    const { call_sid: sid } = await this.switchboard.call(`client:${identity}`);
    const now = await until('the extension to answer', async () => {
      const call = await this.switchboard.getCall(sid);
      return (call.answer_ms != null || call.state === 'ended') && call;
    }, { timeout: 20_000 });
    if (now.answer_ms == null) throw new Error(`the call was ended by the ${now.ended_by} before it was answered: was the one before it over?`);
    return sid;
  }
}

/** Says that audio has gone on in both directions without a lost packet over the last `ms`. */
export async function audioGoesOn(switchboard: Switchboard, sid: string, ms = 2000) {
  const before = await switchboard.getCall(sid);
  await sleep(ms);
  const after = await switchboard.getCall(sid);
  const rose = (direction: 'agent_to_customer' | 'customer_to_agent') => after[direction].packets - before[direction].packets;
  const expected = (ms / 20) * 0.8;
  if (after.state !== 'answered') throw new Error(`the call is ${after.state}`);
  if (rose('agent_to_customer') < expected || rose('customer_to_agent') < expected) {
    throw new Error(`audio stands: ${rose('agent_to_customer')} and ${rose('customer_to_agent')} packets in ${ms} ms`);
  }
  return after;
}
