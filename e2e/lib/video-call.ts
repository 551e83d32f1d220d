// A video call out of a chat: the agent in the real Flex with the extension, and a customer in a Chromium of their own.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser as Chromium, type BrowserContext, type Locator, type Page } from 'playwright-core';
import type { VideoRoom } from './answers.ts';
import { type Browser, chromiumArgs, launch, scratch } from './browser.ts';
import { type ChatBegun, type ChatRequest, Chats } from './chats.ts';
import { FlexPage } from './flex.ts';
import { type Patience, type Stack, Switchboard, must, until } from './stack.ts';
import { Rooms } from './video.ts';

const PICTURES = fileURLToPath(new URL('../../target/run/pictures/', import.meta.url));

/** What the page shows, as its `data-screen` says. */
export type Screen = 'start' | 'busy' | 'check' | 'consent' | 'waiting' | 'room' | 'over' | 'trouble' | 'elsewhere' | 'in-app';

/**
 * Runs before the page: keeps every track that a capture gives out, so that a test can say whose light is on; and stands for the
 * browser's own window in which a person chooses what to share.
 */
function keepTracks() {
  window.__captured = [];
  const { mediaDevices } = navigator;
  if (!mediaDevices) return;
  const keep = (stream: MediaStream) => {
    window.__captured.push(...stream.getTracks());
    return stream;
  };
  const capture = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = async wanted => keep(await capture(wanted));
  mediaDevices.getDisplayMedia = async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
    const context = canvas.getContext('2d')!;
    setInterval(() => { context.fillStyle = `hsl(${performance.now() % 360} 90% 50%)`; context.fillRect(0, 0, 320, 180); }, 100);
    return keep(canvas.captureStream(10));
  };
}

/** The page of a call: the customer's, or the agent's window. */
export class CallPage {
  readonly page: Page;
  readonly who: string;

  constructor(page: Page, who: string) {
    this.page = page;
    this.who = who;
  }

  get app() { return this.page.locator('#app'); }
  button = (action: string): Locator => this.page.locator(`[data-action="${action}"]`).first();
  press = (action: string) => this.button(action).click({ timeout: 15_000 });
  screen = () => this.app.getAttribute('data-screen') as Promise<Screen | null>;

  /** Waits until the page shows this. */
  shows = (screen: Screen, { timeout = 30_000 }: Patience = {}) => until(`${this.who}'s page to show “${screen}”`, async () => {
    const now = await this.screen();
    if (now === screen) return true;
    throw new Error(`${now}: ${(await this.app.innerText()).slice(0, 300)}`);
  }, { timeout });

  /** The tap, and whatever is asked before the room. */
  async join({ consent }: { consent?: boolean } = {}) {
    await this.page.locator('#start').click();
    await this.shows('check');
    if (consent !== undefined) await this.press(consent ? 'consent-yes' : 'consent-no');
    await this.press('join');
  }

  /** How many frames were painted, of others' pictures or of one's own. */
  painted = (own = false) => this.page.evaluate(own => [...document.querySelectorAll('video')]
    .filter(video => Boolean(video.closest('#own, [data-screen="check"], [data-screen="waiting"]')) === own)
    .reduce((sum, video) => sum + video.getVideoPlaybackQuality().totalVideoFrames, 0), own);

  /** Waits until a picture of somebody else moves. */
  sees = (patience: Patience = { timeout: 60_000 }) => this.#moves(false, patience);
  seesOwn = (patience: Patience = { timeout: 60_000 }) => this.#moves(true, patience);

  async #moves(own: boolean, patience: Patience) {
    let before = await this.painted(own);
    await until(`${this.who} to see ${own ? 'themselves' : 'the other'}`, async () => {
      const now = await this.painted(own);
      before = Math.min(before, now);
      return now >= before + 2;
    }, patience);
  }

  /** Waits for the first frame. */
  first = (own = false) => until(`${this.who}'s page to draw ${own ? 'them' : 'the other'}`, async () => await this.painted(own) > 0, { timeout: 30_000, every: 20 });

  /** From now on: notes when each frame of somebody else's picture is drawn. */
  watch = () => this.page.evaluate(() => {
    const drawn: number[] = window.__drawn = [performance.now()];
    const video = [...document.querySelectorAll('video')].find(video => !video.closest('#own'))!;
    const next = () => {
      drawn.push(performance.now());
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  });

  /** How many frames have not come since `watch`: those that are missing where there was none for longer than 200 ms. */
  framesLost = (rate = 10) => this.page.evaluate(rate => [...window.__drawn, performance.now()]
    .reduce(([lost, last], at) => [lost + (at - last > 200 ? Math.round((at - last) * rate / 1000) - 1 : 0), at], [0, window.__drawn[0]])[0], rate);

  /** The longest time without a new frame since `watch`, in ms; the one that lasts counts too. */
  longestGap = () => this.page.evaluate(() => [...window.__drawn, performance.now()]
    .reduce(([longest, last], at) => [Math.max(longest, at - last), at], [0, window.__drawn[0]])[0]);

  /** How many tracks of camera, microphone and screen are live: the light is on while one is. */
  live = () => this.page.evaluate(() => window.__captured.filter(track => track.readyState === 'live').length);

  /** Waits until nothing is captured any more. */
  dark = () => until(`${this.who}'s camera and microphone to be off`, async () => await this.live() === 0, { timeout: 5_000 });

  /** How the others are, as their tiles say: `here`, `lost`, `gone` or `left`. */
  others = () => this.page.evaluate(() => [...document.querySelectorAll<HTMLElement>('[data-presence]')]
    .filter(tile => !tile.closest('#own')).map(tile => tile.dataset.presence));

  /** Keeps a picture for people to look at. */
  async picture(name: string) {
    fs.mkdirSync(PICTURES, { recursive: true });
    await this.page.screenshot({ path: path.join(PICTURES, `${name}.png`) });
  }
}

interface Visit {
  who?: string;
  permissions?: string[];
  locale?: string;
  viewport?: { width: number; height: number };
  colorScheme?: 'light' | 'dark';
  /** Runs before the page's own scripts. */
  before?: () => void;
}

/** Notes every address, referrer and console line of a browser: to be searched for what must not be there. */
function listen(context: BrowserContext, said: string[]) {
  context.on('request', request => said.push(request.url(), request.headers().referer ?? ''));
  context.on('console', message => said.push(message.text()));
}

/** A Chromium without the extension, in which customers open links. */
export class Customers {
  readonly browser: Chromium;
  /** What `listen` noted of the customers' pages. */
  readonly said: string[] = [];
  readonly #remove: () => void;

  private constructor(browser: Chromium, remove: () => void) {
    this.browser = browser;
    this.#remove = remove;
  }

  static async start(stack: Stack) {
    const temp = scratch();
    const browser = await chromium.launch({
      executablePath: stack.chromium,
      headless: false,
      args: [...chromiumArgs(stack, { extension: null, microphone: temp.microphone, camera: temp.camera }), '--autoplay-policy=no-user-gesture-required'],
    });
    return new Customers(browser, temp.remove);
  }

  /** Somebody's browser: cookies and storage of its own. */
  async person({ permissions = ['camera', 'microphone'], locale = 'en-GB', viewport = { width: 800, height: 700 }, colorScheme, before }: Visit = {}): Promise<BrowserContext> {
    const context = await this.browser.newContext({ ignoreHTTPSErrors: true, permissions, locale, viewport, colorScheme });
    await context.addInitScript(keepTracks);
    listen(context, this.said);
    if (before) await context.addInitScript(before);
    return context;
  }

  /** Somebody opens a link. */
  async open(url: string, visit: Visit = {}) {
    const context = await this.person(visit);
    return Customers.tab(context, url, visit.who);
  }

  /** The same person opens it in another tab. */
  static async tab(context: BrowserContext, url: string, who = 'the customer') {
    const page = await context.newPage();
    await page.goto(url);
    return new CallPage(page, who);
  }

  async close() {
    await this.browser.close();
    this.#remove();
  }
}

interface DeskOptions {
  version?: string;
  extension?: string | null;
  /** The agent's other worker attributes. */
  attributes?: object;
  /** What of `ui_attributes.holdfast.video` is another than the stack's. */
  video?: object;
}

/** An agent before a Flex with video, and whoever writes to them. */
export class VideoDesk {
  readonly stack: Stack;
  readonly switchboard: Switchboard;
  readonly chats: Chats;
  readonly rooms: Rooms;
  readonly browser: Browser;
  readonly customers: Customers;
  flex: FlexPage;
  /** What `listen` noted of Flex and of all pages of calls. */
  readonly said: string[];

  private constructor(stack: Stack, switchboard: Switchboard, browser: Browser, customers: Customers, flex: FlexPage) {
    this.stack = stack;
    this.switchboard = switchboard;
    this.chats = new Chats(switchboard);
    this.rooms = new Rooms(stack, switchboard);
    this.browser = browser;
    this.customers = customers;
    this.flex = flex;
    this.said = customers.said;
    listen(browser.context, this.said);
  }

  static async open(stack: Stack, { version = stack.flex_ui, extension, attributes, video }: DeskOptions = {}) {
    const switchboard = new Switchboard(stack);
    await switchboard.reset();
    await switchboard.setFlexVersion(version);
    if (video) await switchboard.setUiAttributes({ holdfast: { token_service_url: stack.token_url, history: { customer: true }, video } });
    await switchboard.setActivity('Available');
    if (attributes) await switchboard.setAttributes(attributes);
    const customers = await Customers.start(stack);
    const browser = await launch(stack, { camera: true, ...(extension === undefined ? {} : { extension }) });
    await browser.context.addInitScript(keepTracks);
    const flex = await FlexPage.open(browser.context, { waitReady: extension !== null });
    if (extension === null) await flex.booted();
    const desk = new VideoDesk(stack, switchboard, browser, customers, flex);
    if (extension !== null) await flex.untilActivity('Available');
    return desk;
  }

  /** The same with a browser and a Flex that are there already. */
  static async at(stack: Stack, switchboard: Switchboard, browser: Browser, flex: FlexPage) {
    const customers = await Customers.start(stack);
    const desk = new VideoDesk(stack, switchboard, browser, customers, flex);
    await browser.context.addInitScript(keepTracks);
    return desk;
  }

  async close() {
    await this.browser.close();
    await this.customers.close();
    await this.switchboard.reset();
  }

  #part = (name: string): Locator => this.flex.page.getByTestId(`holdfast-video-${name}`);
  get button() { return this.#part('button'); }
  get card() { return this.#part('card'); }
  get people() { return this.#part('card-people'); }
  get time() { return this.#part('card-time'); }
  get waiting() { return this.#part('card-waiting'); }
  get admit() { return this.#part('card-admit'); }
  get refuse() { return this.#part('card-refuse'); }
  get end() { return this.#part('card-end'); }
  get show() { return this.#part('card-show'); }
  get confirm() { return this.#part('confirm'); }
  get trouble() { return this.#part('trouble'); }
  get retry() { return this.#part('retry'); }

  task = async (chat: ChatBegun) => (await this.flex.store()).tasks.find(task => task.taskSid === chat.task_sid);

  /** A customer writes, and the agent accepts. */
  async chat(request: ChatRequest = {}): Promise<ChatBegun> {
    const chat = await this.chats.begin(request);
    await this.accept(chat);
    return chat;
  }

  async accept(chat: ChatBegun) {
    await this.flex.accept();
    const task = await until('the chat to be accepted', async () => {
      const found = await this.task(chat);
      return found?.status === 'accepted' && found;
    });
    await this.flex.invoke('SelectTask', { sid: task.sid });
    await this.button.waitFor();
  }

  /** The click, and the window that it opens. */
  async escalate(click = () => this.button.click()) {
    const opened = this.browser.context.waitForEvent('page', { timeout: 30_000 });
    await click();
    return new CallPage(await opened, 'the agent');
  }

  /** The windows and tabs of calls that are there. */
  windows = () => this.browser.context.pages().filter(page => /\/video\.html|\/v\/[0-9a-z]{20}/.test(page.url()));

  /** The links that were written into a conversation, in their order. */
  links = async (chat: ChatBegun) => (await this.chats.get(chat.conversation_sid)).messages
    .flatMap(({ body }) => body?.match(/https?:\/\/\S+\/v\/[0-9a-z]{20}/)?.[0] ?? []);

  /** The former links stop working, and another goes into the chat: the newest of so many. */
  async renew(chat: ChatBegun, count = 2) {
    await this.#part('new-link').click();
    await this.confirm.click();
    return this.link(chat, count);
  }

  /** The newest link, once there are so many. */
  async link(chat: ChatBegun, count = 1) {
    const links = await until(`${count} invitation(s) in the chat`, async () => {
      const links = await this.links(chat);
      return links.length >= count && links;
    }, { timeout: 30_000 });
    return links[count - 1];
  }

  /** The conversation's rooms, the oldest first. */
  allRooms = async (chat: ChatBegun) => (await this.switchboard.video()).rooms.filter(({ unique_name }) => unique_name.startsWith(chat.conversation_sid));
  /** The one that is open. */
  room = async (chat: ChatBegun) => (await this.allRooms(chat)).find(({ status }) => status === 'in-progress');

  /** Who is in the room, by what they are. */
  here = (room: VideoRoom | undefined, role: string) => room?.participants.filter(({ identity, status }) => identity.startsWith(role) && status === 'connected') ?? [];

  /** The kinds of tracks that somebody publishes. */
  published = async (chat: ChatBegun, role: string) => this.here(await this.room(chat), role)
    .flatMap(({ tracks }) => tracks.filter(({ kind }) => kind !== 'data').map(({ kind }) => kind)).sort();

  /** Waits until pictures of one go to the other, by the media server's count. */
  flows = (chat: ChatBegun, from: string, to: string) => until(`the picture of the ${from} to go to the ${to}`, async () => {
    const room = await this.room(chat);
    const [one, other] = [this.here(room, from)[0], this.here(room, to)[0]];
    const track = one?.tracks.find(({ kind }) => kind === 'video');
    return (track?.media?.to.find(({ participant }) => participant === other?.sid)?.flow.frames_per_second ?? 0) >= 1;
  }, { timeout: 60_000 });

  /** They see each other: in both pages, and by the media server's count. */
  async meet(chat: ChatBegun, agent: CallPage, customer: CallPage) {
    await agent.sees();
    await customer.sees();
    await this.flows(chat, 'agent', 'customer');
    await this.flows(chat, 'customer', 'agent');
  }

  /** A chat, the click, and the customer in the room. */
  async call(request: ChatRequest = {}, visit: Visit = {}) {
    const chat = await this.chat(request);
    const agent = await this.escalate();
    const link = await this.link(chat);
    const customer = await this.customers.open(link, visit);
    await customer.join();
    await this.meet(chat, agent, customer);
    return { chat, agent, link, customer };
  }

  /** The agent ends the chat: after-call work begins. */
  async wrapUp(chat: ChatBegun) {
    const { sid } = must(await this.task(chat), 'task of that chat');
    await this.flex.invoke('WrapupTask', { sid });
    await until('the chat to be wrapping', async () => (await this.task(chat))?.status === 'wrapping');
  }

  async complete(chat: ChatBegun) {
    const task = must(await this.task(chat), 'task of that chat');
    if (task.status === 'accepted') await this.wrapUp(chat);
    await this.flex.invoke('CompleteTask', { sid: task.sid });
    await until('the task to be gone', async () => !await this.task(chat));
  }

  /** Completes whatever is left of a test. */
  async clear() {
    for (const { sid, status } of (await this.flex.store()).tasks) {
      if (status === 'accepted') await this.flex.invoke('WrapupTask', { sid });
      await this.flex.invoke('CompleteTask', { sid });
    }
    for (const window of this.windows()) await window.close();
    await Promise.all(this.customers.browser.contexts().map(context => context.close()));
  }
}
