// Chat history in the real Flex UI: what a customer wrote before the task that an agent has now, read by the service and
// never by joining. Each of these is a row of what agents of other products ask for, or a bad input. A boot of Flex takes
// longer than most of them, so they are played one after the other in one tab.
import fs from 'node:fs';
import { bar } from '../lib/bars.ts';
import { type Browser, launch } from '../lib/browser.ts';
import { type ChatBegun, Chats } from '../lib/chats.ts';
import { percentile } from '../lib/figures.ts';
import { FlexPage } from '../lib/flex.ts';
import { History } from '../lib/history.ts';
import { type Stack, Switchboard, must, until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

const HISTORY_URL = /\/v1\/history\//;
/** What the switchboard's bot and its customer say first and last. */
const [FIRST, LAST] = ['Hi 👋', 'Of course. I connect you with somebody.'];
/** A conversation that is long enough for several pages. */
const LONG = 300;

/** An agent before a Flex with chat history. */
class Desk {
  readonly stack: Stack;
  readonly switchboard: Switchboard;
  readonly chats: Chats;
  readonly browser: Browser;
  readonly flex: FlexPage;
  readonly history: History;

  private constructor(stack: Stack, switchboard: Switchboard, browser: Browser, flex: FlexPage) {
    this.stack = stack;
    this.switchboard = switchboard;
    this.chats = new Chats(switchboard);
    this.browser = browser;
    this.flex = flex;
    this.history = new History(flex);
  }

  static async open(stack: Stack, version = stack.flex_ui) {
    const switchboard = new Switchboard(stack);
    await switchboard.reset();
    await switchboard.setFlexVersion(version);
    await switchboard.setActivity('Available');
    const browser = await launch(stack);
    // Where a page prints, tests read.
    await browser.context.addInitScript(() => { window.print = () => { Object.assign(window.top ?? window, { __printed: document.body.innerText }); }; });
    const flex = await FlexPage.open(browser.context);
    await flex.untilActivity('Available');
    return new Desk(stack, switchboard, browser, flex);
  }

  async close() {
    await this.browser.close();
    await this.switchboard.reset();
  }

  /** The agent accepts the chat that rings, and is shown it. */
  async accept(chat: ChatBegun) {
    await this.flex.accept();
    const task = await until('the chat to be accepted', async () => {
      const found = await this.task(chat);
      return found?.status === 'accepted' && found;
    });
    // Flex shows another by itself only while none is chosen.
    await this.flex.invoke('SelectTask', { sid: task.sid });
  }

  task = async (chat: ChatBegun) => (await this.flex.store()).tasks.find(task => task.taskSid === chat.task_sid);

  /** The agent ends the chat and completes its task. */
  async complete(chat: ChatBegun) {
    const { sid } = must(await this.task(chat), 'task of that chat');
    await this.flex.invoke('WrapupTask', { sid });
    await until('the chat to be wrapping', async () => (await this.task(chat))?.status === 'wrapping');
    await this.flex.invoke('CompleteTask', { sid });
    await until('the task to be gone', async () => !await this.task(chat));
  }

  /** Nobody but these has ever been in a conversation. */
  async isAlone(conversation: string) {
    const { participants } = await this.chats.get(conversation);
    expect(participants.length).toBeGreaterThan(0);
    expect(participants.map(({ identity }) => identity)).not.toContain(this.stack.account.agent_identity);
  }

  /** The banner leads to the tab, and is gone then. */
  async openTab() {
    await this.history.open.click({ timeout: 15_000 });
    await this.history.root.waitFor();
    await expect(this.history.banner).toBeHidden();
  }
}

test.describe('chat history in the newest Flex UI', () => {
  // In order, and in one tab; after a failure the rest goes on in a new one.
  test.describe.configure({ mode: 'default' });
  let desk: Desk;
  test.beforeAll(async ({ stack }) => { desk = await Desk.open(stack); });
  test.afterAll(() => desk.close());

  test.describe('a customer who talked to a bot', () => {
    let chat: ChatBegun;
    let source: string;

    test('the conversation that the task names is read in a tab beside its own chat, told of by a banner', async () => {
      const { chats, flex, history } = desk;
      chat = await chats.bot();
      source = must(chat.source_conversation_sid, 'conversation with the bot');
      await desk.accept(chat);
      await expect(history.banner).toBeVisible();
      await flex.picture('history-banner');
      await desk.openTab();
      await history.sees(LAST);
      await flex.picture('history-tab');
      const { messages } = await chats.get(source);
      await history.scrollUpUntil('the first message', async () => (await history.shown()).some(({ sid }) => sid === messages[0].sid));
      const shown = await history.shown();
      expect(shown.map(({ sid }) => sid)).toEqual(messages.map(({ sid }) => sid));
      expect(shown.map(({ role }) => role)).toEqual(messages.map(({ author }) => author === 'bot' ? 'bot' : 'customer'));
      expect(shown[0].text).toContain(FIRST);
      await expect(history.root).toContainText(chat.name);
      await expect(history.root).toContainText('Parcel assistant');
      // It can be read only, and says so; what is written goes to the chat beside it.
      await expect(history.readOnly).toContainText('Only to read');
      await expect(history.root.locator('textarea, [contenteditable="true"]')).toHaveCount(0);
    });

    test('a picture is shown by a link of the moment, a place leads to a map', async () => {
      const { history } = desk;
      await until('the picture to be drawn', () => history.pictures.first().evaluate(one => (one as HTMLImageElement).naturalWidth > 0));
      const link = must(await history.pictures.first().getAttribute('src'), 'link of the picture');
      expect(new URL(link).host).toMatch(/\.(twilio|twiliocdn)\.com$/);
      const place = history.places.first().locator('a');
      await expect(place).toHaveAttribute('href', /52\.5219.*13\.4132/);
      await expect(place).toHaveAttribute('rel', /noopener/);
    });

    test('the transcript is copied and printed, with everything that was said and by whom', async () => {
      const { browser, flex, history } = desk;
      await browser.context.grantPermissions(['clipboard-read', 'clipboard-write', 'microphone', 'notifications'], { origin: 'https://flex.twilio.com' });
      await history.copy.click();
      const copied = await until('the transcript', async () => {
        const text = await flex.page.evaluate(() => navigator.clipboard.readText());
        return text.includes(LAST) && text;
      });
      await history.print.click();
      const printed = await until('the printed transcript', () => flex.page.evaluate(() => window.__printed));
      for (const text of [copied, printed]) {
        for (const words of [FIRST, LAST, 'Parcel assistant', 'parcel.png']) expect(text).toContain(words);
        expect(text.indexOf(FIRST)).toBeLessThan(text.indexOf(LAST));
      }
    });

    test('the agent talks in the chat meanwhile, and is no participant of what they read', async () => {
      const { chats, flex } = desk;
      expect(await flex.invoke('SendMessage', { conversationSid: chat.conversation_sid, body: 'Hello, I have read what you told the bot.' })).toBeNull();
      await until('the customer to have it', async () => (await chats.get(chat.conversation_sid)).messages.some(({ body }) => body?.startsWith('Hello, I have read')));
      await desk.isAlone(source);
      await desk.complete(chat);
      await desk.isAlone(source);
    });

    test('who read what is in the log of the service, and what was said is not', async () => {
      const log = fs.readFileSync(desk.stack.token_service_log, 'utf8');
      const lines = log.split('\n').filter(line => line.includes(source));
      expect(lines.length).toBeGreaterThan(0);
      expect(lines.some(line => line.includes(desk.stack.account.worker_sid) && line.includes(must(chat.task_sid, 'task')))).toBe(true);
      for (const words of [FIRST, LAST, '4711-0815', 'parcel.png']) expect(log).not.toContain(words);
    });
  });

  test.describe('a customer who has written before', () => {
    let chat: ChatBegun;
    let earlier: string[];

    test('all their conversations are read newest first: scrolling up goes on in the one before, under a line with its date, channel and agent', async () => {
      const { chats, flex, history } = desk;
      const from = '+15550188';
      earlier = (await chats.earlier({ channel: 'sms', from, count: 2, days_ago: 2 })).conversations;
      chat = await chats.bot({ channel: 'sms', from, count: LONG });
      await desk.accept(chat);
      await desk.openTab();
      await history.sees(`Message ${LONG - 1} of ${LONG}`);
      // Ten thousand would not be in the document either.
      expect((await history.shown()).length).toBeLessThan(120);
      const seen = async (conversation: string) => (await history.conversations.evaluateAll(all => all.map(one => (one as HTMLElement).dataset.conversation))).includes(conversation);
      for (const conversation of earlier) await history.scrollUpUntil(`conversation ${conversation}`, () => seen(conversation), 60_000);
      await flex.picture('history-earlier');
      const line = history.conversations.filter({ hasText: 'Carla' }).first();
      await expect(line).toContainText('SMS');
      await history.scrollUpUntil('the first word of the oldest', async () => (await history.shown())[0]?.text.includes('Good morning, I have a question'), 60_000);
    });

    test('F5 keeps the tab, the closed banner and the place', async () => {
      const { flex, history } = desk;
      await history.scroll.evaluate(region => { region.scrollTop += 400; });
      const before = must(await until('a message in the middle', history.middle), 'message in the middle');
      await flex.page.waitForTimeout(500); // the place is noted once scrolling has ended
      await flex.refresh();
      await history.root.waitFor();
      await until('the same message to be in the middle', async () => {
        const now = await history.middle();
        if (now === before) return true;
        throw new Error(`${now} in place of ${before}`);
      }, { timeout: 20_000 });
      await expect(history.banner).toBeHidden();
      await flex.picture('history-after-reload');
    });

    test('a search finds what is pages away, and Enter goes from hit to hit', async () => {
      const { history } = desk;
      await history.search.fill('Message 7 of');
      await history.search.press('Enter');
      await expect(history.hits).toContainText('1', { timeout: 30_000 });
      await history.sees(`Message 7 of ${LONG}`);
      await history.search.fill('no such words');
      await history.search.press('Enter');
      await expect(history.hits).toContainText('Not found', { timeout: 30_000 });
      await history.search.press('Escape');
      for (const conversation of [...earlier, must(chat.source_conversation_sid, 'conversation')]) await desk.isAlone(conversation);
      await desk.complete(chat);
    });
  });

  test('a second task on the same conversation is warned of before it is accepted, and where completing would hurt', async () => {
    const { chats, flex, history } = desk;
    const first = await chats.begin({ channel: 'whatsapp', long_lived: true });
    await desk.accept(first);
    await flex.invoke('WrapupTask', { sid: must(await desk.task(first), 'task').sid });
    await until('the chat to be wrapping', async () => (await desk.task(first))?.status === 'wrapping');
    const second = await chats.another(first.conversation_sid, { long_lived: true });
    const pending = await until('the second task', () => desk.task(second));
    await flex.invoke('SelectTask', { sid: pending.sid });
    await expect(history.warning).toContainText('Complete that one first');
    await flex.picture('history-second-task');
    await desk.accept(second);
    const { sid } = must(await desk.task(first), 'first task');
    await flex.invoke('SelectTask', { sid });
    // Told why, and done when it is asked for once more.
    expect(await flex.invoke('CompleteTask', { sid })).not.toBeNull();
    await expect(history.warning).toContainText('Another task of yours is on this same chat');
    await flex.invoke('CompleteTask', { sid });
    await until('the first task to be gone', async () => !await desk.task(first));
    // Flex has a word of its own on two tasks of one customer, which stays until it is closed.
    await flex.page.locator('.Twilio-NotificationBar button').first().click();
    await desk.complete(second);
  });

  test('what a retention rule hides is not shown, and that is said', async () => {
    const { chats, history, stack } = desk;
    const { retention_days: days } = must(stack.history, 'chat history in this stack');
    const chat = await chats.bot({ days_ago: days + 1 });
    await desk.accept(chat);
    await desk.openTab();
    await expect(history.root).toContainText(`${days} days`);
    await expect(history.messages).toHaveCount(0);
    await desk.complete(chat);
  });

  test('a conversation that is unknown or deleted is said to be out of reach, and a malformed name of one to be so', async () => {
    const { chats, flex, history } = desk;
    const deleted = await chats.bot({ task: false });
    const gone = must(deleted.source_conversation_sid, 'conversation');
    await chats.remove(gone);
    for (const [sourceConversationSid, words] of [
      [`CH${'0'.repeat(32)}`, 'was deleted, or this task does not give it to you'],
      [gone, 'was deleted, or this task does not give it to you'],
      ['the one with the bot', 'is no conversation'],
    ] as const) {
      const chat = await chats.begin({ attributes: { sourceConversationSid } });
      await desk.accept(chat);
      await history.tab.click();
      await expect(history.root, sourceConversationSid).toContainText(words);
      await expect(history.messages).toHaveCount(0);
      expect(await flex.invoke('SendMessage', { conversationSid: chat.conversation_sid, body: 'The chat works.' })).toBeNull();
      await desk.complete(chat);
    }
  });

  test('a service that is off, a token that is not taken, and a Twilio that is down or slow are each told, and the tab comes back', async () => {
    const { chats, switchboard, flex, history } = desk;
    const answer = (status: number, body: string) => flex.page.route(HISTORY_URL, route => route.fulfill({
      status, body, contentType: 'application/json', headers: { 'access-control-allow-origin': 'https://flex.twilio.com' },
    }));
    const chat = await chats.bot();
    await answer(404, '');
    await desk.accept(chat);
    await desk.openTab();
    await expect(history.trouble).toContainText('not switched on at the service');
    await flex.page.unroute(HISTORY_URL);

    await answer(401, JSON.stringify({ code: 'invalid_flex_token', message: 'no', request_id: 'r' }));
    await history.retry.click();
    await expect(history.trouble).toContainText('Flex session');
    await flex.page.unroute(HISTORY_URL);

    await switchboard.fault({ kind: 'conversations_down', status: 503 });
    await until('to be told that Twilio cannot be asked', async () => {
      if (await history.retry.isVisible()) await history.retry.click();
      return (await history.trouble.textContent())?.includes('cannot be read at the moment');
    }, { timeout: 30_000, every: 500 });
    await flex.picture('history-down');
    await switchboard.clearFaults();

    // Each answer within the two seconds that the service waits for one, and all together longer than the tab waits in silence.
    await switchboard.fault({ kind: 'conversations_down', delay_ms: 1_700 });
    if (await history.retry.isVisible()) await history.retry.click();
    await expect(history.root).toContainText('Still loading', { timeout: 20_000 });
    await switchboard.clearFaults();
    await history.sees(LAST);
    await expect(history.trouble).toBeHidden();
    await desk.complete(chat);
  });
});

test('ten thousand messages scroll smoothly, and only those that are near are in the document', { tag: '@alone' }, async ({ stack }) => {
  const desk = await Desk.open(stack);
  try {
    const { chats, history } = desk;
    const { conversation_sid } = await chats.long({ count: 10_000 });
    const chat = await chats.begin({ attributes: { sourceConversationSid: conversation_sid } });
    await desk.accept(chat);
    await history.open.waitFor();
    const from = performance.now();
    await desk.openTab();
    await history.messages.first().waitFor();
    bar('a History tab with 10 000 messages is opened', 'until its first page is drawn', performance.now() - from, 500);
    await history.loadAll.click();
    await expect(history.loadAll).toBeHidden();
    await expect(history.stop).toBeHidden({ timeout: 60_000 });
    const { took, most } = await history.scrollFor(240);
    bar('240 steps through 10 000 messages', 'p95 of a frame', must(percentile(took, 0.95), 'frame'), 50);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(120);
    // What is drawn is where the agent looks.
    await until('a message in the middle of the tab', () => history.messages.evaluateAll(all => all.some(one => {
      const { top, bottom } = one.getBoundingClientRect();
      return top < innerHeight / 2 + 100 && bottom > innerHeight / 2 - 100;
    })));
  } finally {
    await desk.close();
  }
});

test('in the oldest Flex UI the banner leads to the tab, for Programmable Chat’s attribute too, and F5 keeps it', { tag: '@long' }, async ({ stack }) => {
  const desk = await Desk.open(stack, stack.flex_ui_oldest);
  try {
    const chat = await desk.chats.bot({ attribute: 'sourceChatChannelSid' });
    await desk.accept(chat);
    await desk.openTab();
    await desk.history.sees(LAST);
    await desk.flex.picture('history-oldest');
    await desk.flex.refresh();
    await desk.history.sees(LAST);
    await expect(desk.history.banner).toBeHidden();
    await desk.isAlone(must(chat.source_conversation_sid, 'conversation with the bot'));
  } finally {
    await desk.close();
  }
});
