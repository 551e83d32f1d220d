// From chat to face in the real Flex UI: the click, the agent's window, the customer's page, and what becomes of them when pages
// are reloaded, closed or crash. Two Chromiums and the unmodified twilio-video; the switchboard says which pictures arrive. A boot of
// Flex takes longer than most of these, so they are played one after the other in one tab.
import fs from 'node:fs';
import { bar } from '../lib/bars.ts';
import { percentile } from '../lib/figures.ts';
import { FlexPage } from '../lib/flex.ts';
import { must, until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';
import { type CallPage, Customers, VideoDesk } from '../lib/video-call.ts';
import type { ChatBegun } from '../lib/chats.ts';

test.describe('a video call out of a chat in the newest Flex UI', () => {
  // In order, and in one tab; after a failure the rest goes on in a new one.
  test.describe.configure({ mode: 'default' });
  test.setTimeout(180_000);
  let desk: VideoDesk;
  test.beforeAll(async ({ stack }) => { desk = await VideoDesk.open(stack); });
  test.afterAll(() => desk.close());

  test.describe('from the click to the end of the task', () => {
    // One call, of which each test is a part.
    test.describe.configure({ mode: 'serial' });
    let chat: ChatBegun;
    let agent: CallPage;
    let customer: CallPage;
    let link: string;

    test('one click makes a room by REST, opens the agent’s window and invites the customer by a link without a token', async () => {
      chat = await desk.chat();
      agent = await desk.escalate();
      expect(agent.page.url()).toMatch(/^chrome-extension:\/\/[a-p]{32}\/video\.html#/);
      link = await desk.link(chat);
      expect(new URL(link).origin).toBe(new URL(desk.stack.token_url).origin);
      expect(link).toMatch(/\/v\/[0-9a-z]{20}$/);
      await agent.shows('room');
      await agent.seesOwn();
      const room = must(await desk.room(chat), 'room of this conversation');
      // The customer, one who may be let in, and two agents while one hands over to the other.
      const { body } = await desk.rooms.rest<{ type: string; max_participants: number }>('GET', `/Rooms/${room.sid}`);
      expect(body).toMatchObject({ type: 'group', max_participants: 4 });
      expect(desk.here(room, 'agent')).toHaveLength(1);
      await expect(desk.card).toBeVisible();
      await agent.picture('video-agent-alone');
    });

    test('a look at the link by a preview, by GET and HEAD, uses nothing up', async () => {
      for (const method of ['GET', 'HEAD', 'GET']) {
        const headers = { 'user-agent': 'WhatsApp/2.23 (link preview)' };
        const answer = await fetch(desk.stack.token_service + new URL(link).pathname, { method, headers });
        expect(answer.status, method).toBe(200);
        expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
      }
      expect(desk.here(await desk.room(chat), 'customer')).toHaveLength(0);
    });

    test('the customer taps, looks at themselves, joins, and both see each other', async () => {
      // A full stop that a chat put behind the link, and capitals, are forgiven.
      customer = await desk.customers.open(`${link.toUpperCase().replace('/V/', '/v/').replace(/^HTTPS?/, 'https')}.`);
      await customer.picture('video-customer-first');
      await customer.page.locator('#start').click();
      await customer.shows('check');
      await customer.seesOwn();
      await customer.picture('video-customer-check');
      expect(desk.here(await desk.room(chat), 'customer'), 'nobody sees them before they join').toHaveLength(0);
      await customer.press('join');
      await desk.meet(chat, agent, customer);
      expect(await desk.published(chat, 'customer')).toEqual(['audio', 'video']);
      await expect(desk.people).toContainText(/customer/i);
      await customer.picture('video-customer-room');
      await agent.picture('video-agent-room');
      await desk.flex.picture('video-card');
      expect(await desk.links(chat), 'one invitation').toHaveLength(1);
    });

    test('F5 of Flex leaves the customer’s picture of the agent as it is, and a crash of its tab too; a click then shows the window that is there', async () => {
      // How long a gap is on a quiet machine is measured below; here the picture goes on, from one and the same participant.
      const { sid } = desk.here(await desk.room(chat), 'agent')[0];
      await desk.flex.refresh();
      await expect(desk.card).toBeVisible({ timeout: 30_000 });
      await customer.sees();
      const crashed = await desk.browser.context.newCDPSession(desk.flex.page);
      const gone = desk.flex.page.waitForEvent('crash');
      crashed.send('Page.crash').catch(() => {});
      await gone;
      await desk.flex.page.close();
      desk.flex = await FlexPage.open(desk.browser.context);
      await desk.flex.invoke('SelectTask', { sid: must(await desk.task(chat), 'task').sid });
      await expect(desk.card).toBeVisible({ timeout: 30_000 });
      await customer.sees();
      expect(desk.here(await desk.room(chat), 'agent').map(one => one.sid)).toEqual([sid]);
      const pages = desk.windows().length;
      await desk.button.click();
      await until('the window to come to the front', () => agent.page.evaluate(() => document.hasFocus() || document.visibilityState === 'visible'));
      expect(desk.windows()).toHaveLength(pages);
      expect(await desk.links(chat), 'no second invitation').toHaveLength(1);
      await agent.sees();
    });

    test('a customer who reloads is back by themselves, and one who closes the tab is missed at once and comes back by the link', async () => {
      const context = customer.page.context();
      await customer.page.reload({ waitUntil: 'commit' });
      await customer.sees();
      await desk.meet(chat, agent, customer);
      await customer.page.close({ runBeforeUnload: true });
      await until('the agent to be told', async () => !(await agent.others()).includes('here'), { timeout: 10_000, every: 20 });
      await agent.picture('video-agent-customer-gone');
      customer = await Customers.tab(context, link);
      await until('the customer to be back', async () => {
        const screen = await customer.screen();
        // A page that has its seat goes on by itself: the button may be gone before it is clicked.
        if (screen === 'start') await customer.page.locator('#start').click({ timeout: 1_000 }).catch(() => {});
        if (screen === 'check') await customer.press('join');
        return screen === 'room';
      }, { timeout: 30_000, every: 300 });
      await desk.meet(chat, agent, customer);
      expect(await desk.allRooms(chat), 'one room').toHaveLength(1);
    });

    test('mute, camera and a shared screen that the browser’s own bar ends are seen by the other, and the camera’s light goes off with it', async () => {
      const live = await customer.live();
      await customer.press('toggle-camera');
      await until('the picture to be gone', async () => !(await desk.published(chat, 'customer')).includes('video'));
      await until('the light to be off', async () => await customer.live() === live - 1, { timeout: 5_000 });
      await customer.press('toggle-camera');
      await agent.sees();
      await customer.press('toggle-share');
      await until('the screen to be large at the agent’s', () => agent.page.locator('[data-screen-share="true"][data-large="true"]').count());
      await expect(customer.button('toggle-share')).toHaveAttribute('data-on', 'true');
      await until('the screen to be seen', () => agent.page.evaluate(() => {
        const screen = document.querySelector<HTMLVideoElement>('[data-screen-share="true"] video');
        return (screen?.getVideoPlaybackQuality().totalVideoFrames ?? 0) > 2;
      }));
      await agent.picture('video-agent-screen');
      // The browser's bar ends the capture, of which a page hears by `ended` alone.
      await customer.page.evaluate(() => {
        const screen = window.__captured.findLast(track => track instanceof CanvasCaptureMediaStreamTrack)!;
        screen.stop();
        screen.dispatchEvent(new Event('ended'));
      });
      await until('the screen to be gone', async () => await agent.page.locator('[data-screen-share="true"]').count() === 0);
      await expect(customer.button('toggle-share')).toHaveAttribute('data-on', 'false');
      expect(await customer.live(), 'camera and microphone go on').toBe(live);
      await agent.sees();
      await agent.press('toggle-microphone');
      await until('the agent to be muted', async () => desk.here(await desk.room(chat), 'agent')[0]?.tracks.every(({ kind, enabled }) => kind !== 'audio' || !enabled));
      await agent.press('toggle-microphone');
    });

    test('a second browser with the same link waits, sees nothing, and gets in by the agent’s click alone', async () => {
      const other = await desk.customers.open(link, { who: 'the other' });
      await other.join();
      await other.shows('waiting');
      await other.picture('video-customer-waiting');
      expect(desk.here(await desk.room(chat), 'customer')).toHaveLength(1);
      await expect(desk.waiting.first()).toBeVisible({ timeout: 15_000 });
      await desk.flex.picture('video-card-waiting');
      await desk.refuse.first().click();
      await other.shows('over');
      await other.page.context().close();
      // The agent's window hears of it with its next pulse; a yes is for one who waits, and for nobody else.
      await expect(agent.page.locator('[data-action="admit"]')).toHaveCount(0, { timeout: 15_000 });
      const third = await desk.customers.open(link, { who: 'the third' });
      await third.join();
      await third.shows('waiting');
      await agent.press('admit');
      await third.shows('room');
      await third.sees();
      await until('the guest to be in the room', async () => desk.here(await desk.room(chat), 'guest').length === 1);
      expect(desk.here(await desk.room(chat), 'customer'), 'and the first customer too').toHaveLength(1);
      await third.press('leave');
      await third.dark();
      await third.page.context().close();
      await customer.sees();
    });

    test('after-call work completes the room: both pages say so, no camera goes on, and the chat is untouched', async () => {
      const room = must(await desk.room(chat), 'room');
      await desk.wrapUp(chat);
      await customer.shows('over', { timeout: 15_000 });
      await agent.shows('over', { timeout: 15_000 });
      await customer.dark();
      await agent.dark();
      await customer.picture('video-customer-over');
      expect((await desk.rooms.rest('GET', `/Rooms/${room.sid}`)).body.status).toBe('completed');
      expect((await desk.chats.get(chat.conversation_sid)).state).toBe('active');
      const late = await desk.customers.open(link, { who: 'somebody late' });
      await late.page.locator('#start').click();
      await late.shows('over');
      await desk.clear();
    });
  });

  test('a chat that goes to a colleague and comes back keeps room and link: the customer stays, and the next click needs no new invitation', async () => {
    const { chat, agent, customer } = await desk.call();
    await desk.chats.transfer(chat.conversation_sid, 'colleague');
    await agent.shows('over', { timeout: 45_000 });
    await agent.dark();
    expect(await customer.screen()).toBe('room');
    await desk.complete(chat);
    const back = await desk.chats.transfer(chat.conversation_sid, 'agent');
    await desk.accept(back);
    const again = await desk.escalate();
    await again.sees();
    await customer.sees();
    expect(await desk.links(chat)).toHaveLength(1);
    expect(await desk.allRooms(chat)).toHaveLength(1);
    await desk.clear();
  });

  test('a new link ends the former one, which then says what to do; a code that was never made does so too', async () => {
    const chat = await desk.chat();
    await desk.escalate();
    const former = await desk.link(chat);
    const newer = await desk.renew(chat);
    expect(newer).not.toBe(former);
    for (const url of [former, former.replace(/.{6}$/, '000000'), former.replace(/.{6}$/, '')]) {
      const page = await desk.customers.open(url, { who: 'who came too late' });
      await page.page.locator('#start').click();
      await page.shows('trouble');
      await page.picture('video-customer-unknown');
      await page.page.context().close();
    }
    const customer = await desk.customers.open(newer);
    await customer.join();
    await customer.shows('room');
    await customer.sees();
    await desk.clear();
  });

  test('a camera that is refused or missing: the customer is told how to allow it, and may be heard or only watch', async () => {
    const chat = await desk.chat();
    const agent = await desk.escalate();
    const link = await desk.link(chat);
    const customer = await desk.customers.open(link, { permissions: ['microphone'] });
    await customer.page.locator('#start').click();
    await customer.shows('check');
    await expect(customer.app).toContainText('The browser does not let this page use your camera');
    await expect(customer.app).toContainText('Open the site settings');
    await customer.picture('video-customer-refused');
    // The microphone is there: they join with that.
    await customer.press('join');
    await customer.shows('room');
    await customer.sees();
    expect(await desk.published(chat, 'customer')).toEqual(['audio']);
    await customer.press('leave');
    await customer.page.context().close();
    const watcher = await desk.customers.open(await desk.renew(chat), { permissions: [], who: 'who only watches' });
    await watcher.page.locator('#start').click();
    await watcher.shows('check');
    await expect(watcher.app).toContainText('The browser does not let this page use your camera and microphone');
    await expect(watcher.button('sound-only')).toBeVisible();
    await watcher.press('watch-only');
    await until('the watcher to be in the room', async () => {
      if (await watcher.screen() === 'check') await watcher.press('join');
      return await watcher.screen() === 'room';
    }, { every: 500 });
    await watcher.sees();
    expect(await desk.published(chat, 'customer')).toEqual([]);
    expect(await agent.screen()).toBe('room');
    await desk.clear();
  });

  test('a service that does not answer is said in Flex and in the window, with the chat as it was, and the next try goes through in the same window', async () => {
    const chat = await desk.chat();
    await desk.switchboard.fault({ kind: 'http', target: 'token_service', status: 503 });
    const agent = await desk.escalate();
    await expect(desk.trouble.first()).toBeVisible({ timeout: 30_000 });
    await desk.flex.picture('video-trouble');
    await agent.shows('trouble');
    expect(await agent.live(), 'no light before there is a call').toBe(0);
    await agent.picture('video-agent-trouble');
    expect(await desk.flex.invoke('SendMessage', { conversationSid: chat.conversation_sid, body: 'We can still write.' })).toBeNull();
    expect(await desk.links(chat)).toHaveLength(0);
    await desk.switchboard.clearFaults();
    await desk.retry.first().click();
    await agent.shows('room');
    await agent.seesOwn();
    expect(desk.windows(), 'the same window').toHaveLength(1);
    await desk.link(chat);
    await expect(desk.trouble).toHaveCount(0);
    await desk.clear();
  });

  test('while a voice call is live no second microphone is published, and both card and window say so', async () => {
    const { switchboard, flex } = desk;
    const chat = await desk.chat();
    await switchboard.task();
    await flex.accept();
    await flex.waitLive();
    await flex.invoke('SelectTask', { sid: must(await desk.task(chat), 'task').sid });
    const agent = await desk.escalate();
    const customer = await desk.customers.open(await desk.link(chat));
    await customer.join();
    await customer.shows('room');
    await customer.sees();
    expect(await desk.published(chat, 'agent')).toEqual(['video']);
    await expect(agent.app).toContainText('Your phone call has the microphone');
    await expect(desk.card).toContainText('You are on a phone call');
    await agent.picture('video-agent-in-call');
    const voice = must((await flex.store()).tasks.find(({ taskSid }) => taskSid !== chat.task_sid), 'voice task');
    await flex.invoke('SelectTask', { sid: voice.sid });
    await flex.hangUp();
    await until('the call to be over', async () => (await flex.store()).callSid === null);
    await desk.clear();
  });

  test('no token is in an address, a referrer, a title, the console, the chat or the log of the service, and no code but where its page is', async () => {
    const { stack, browser } = desk;
    const { chat, agent, customer, link } = await desk.call();
    await customer.page.reload();
    await customer.shows('room');
    await desk.meet(chat, agent, customer);
    const jwt = /eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/;
    const code = must(link.split('/').pop(), 'code');
    const { said } = desk;
    const api = new URL('/v1/video/', stack.token_url).href;
    expect(said.filter(said => said.startsWith(api)).length, 'requests of both pages were seen').toBeGreaterThan(3);
    expect(said.filter(said => jwt.test(said)), 'no token').toEqual([]);
    expect(said.filter(said => said.includes(code)), 'the page itself alone').toEqual(said.filter(said => said === link));
    const log = fs.readFileSync(stack.token_service_log, 'utf8');
    expect(log).toContain('video: a tap');
    expect(log).not.toMatch(jwt);
    expect(log).not.toContain(code);
    const { messages } = await desk.chats.get(chat.conversation_sid);
    expect(messages.map(({ body }) => body ?? '').filter(body => body.includes(code)), 'the invitation').toHaveLength(1);
    expect(messages.filter(({ body }) => jwt.test(body ?? ''))).toEqual([]);
    for (const page of [...browser.context.pages(), customer.page]) {
      const title = await page.title();
      expect(title).not.toContain(code);
      expect(title).not.toMatch(jwt);
    }
    await desk.clear();
  });
});

test('in the oldest Flex UI one click leads to a call in which both see each other, and after-call work ends it', { tag: '@long' }, async ({ stack }) => {
  test.setTimeout(180_000);
  const desk = await VideoDesk.open(stack, { version: stack.flex_ui_oldest });
  try {
    const { chat, agent, customer } = await desk.call();
    await desk.flex.picture('video-card-oldest');
    await desk.wrapUp(chat);
    await customer.shows('over', { timeout: 15_000 });
    await agent.shows('over', { timeout: 15_000 });
  } finally {
    await desk.close();
  }
});

test('without the extension the same page opens in a tab, in the click; a blocked one is said, and the next click opens it', { tag: '@long' }, async ({ stack }) => {
  test.setTimeout(180_000);
  const desk = await VideoDesk.open(stack, { extension: null, attributes: { extensionVoiceClientEnabled: false } });
  try {
    await desk.browser.context.grantPermissions(['camera', 'microphone'], { origin: new URL(stack.token_url).origin });
    const { chat, agent, customer } = await desk.call();
    expect(agent.page.url()).toContain(new URL(stack.token_url).origin);
    await agent.page.reload();
    await desk.meet(chat, agent, customer);
    await desk.clear();
    await desk.chat();
    await desk.flex.page.evaluate(() => {
      const { open } = window;
      window.open = () => {
        window.open = open;
        return null;
      };
    });
    await desk.button.click();
    await expect(desk.trouble.first()).toContainText('The browser blocked the window of the video call', { timeout: 15_000 });
    await desk.flex.picture('video-blocked');
    const opened = await desk.escalate(() => desk.retry.first().click());
    await opened.seesOwn();
    await expect(desk.trouble).toHaveCount(0);
  } finally {
    await desk.close();
  }
});

test('from the agent’s click to their own picture, and from the customer’s tap to both faces, medians of ten', { tag: '@alone' }, async ({ stack }) => {
  test.setTimeout(400_000);
  const desk = await VideoDesk.open(stack);
  const [own, both]: [number[], number[]] = [[], []];
  try {
    for (let round = 0; round < 10; round++) {
      const chat = await desk.chat();
      const clicked = performance.now();
      const agent = await desk.escalate();
      await agent.first(true);
      own.push(performance.now() - clicked);
      const customer = await desk.customers.open(await desk.link(chat));
      const tapped = performance.now();
      await customer.page.locator('#start').click();
      // As soon as it is there.
      await customer.press('join');
      await Promise.all([agent.first(), customer.first()]);
      both.push(performance.now() - tapped);
      if (round === 9) {
        const gaps: number[] = [];
        for (let time = 0; time < 5; time++) {
          await customer.watch();
          await desk.flex.refresh();
          await expect(desk.card).toBeVisible({ timeout: 30_000 });
          gaps.push(await customer.longestGap());
        }
        bar('F5 of Flex during a video call', 'longest gap in the customer’s picture of the agent, median of 5', must(percentile(gaps, 0.5), 'median'), 200);
        const reloaded = performance.now();
        await customer.page.reload({ waitUntil: 'commit' });
        await customer.first();
        bar('F5 of the customer’s page', 'until they see the agent again', performance.now() - reloaded, 3_000);
        await agent.sees();
        const closed = performance.now();
        await customer.page.close({ runBeforeUnload: true });
        await until('the agent to be told', async () => !(await agent.others()).includes('here'), { timeout: 10_000, every: 20 });
        bar('the customer closes their tab', 'until the agent’s window says so', performance.now() - closed, 1_000);
      }
      await desk.clear();
      await until('no task to be left', async () => (await desk.flex.store()).tasks.length === 0);
    }
  } finally {
    await desk.close();
  }
  bar('the agent clicks on Video', 'until their own picture, median of 10', must(percentile(own, 0.5), 'median'), 2_000);
  bar('the customer taps, and joins at once', 'until both see each other, median of 10', must(percentile(both, 0.5), 'median'), 2_500);
});
