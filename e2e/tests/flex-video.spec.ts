// From chat to face in the real Flex UI: the click, the agent's window, the customer's page, and what becomes of them when pages
// are reloaded, closed or crash. Two Chromiums and the unmodified twilio-video; the switchboard says which pictures arrive. A boot of
// Flex takes longer than most of these, so they are played one after the other in one tab.
import { FlexPage } from '../lib/flex.ts';
import { must, until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';
import { type CallPage, Customers, VideoDesk } from '../lib/video-call.ts';
import type { ChatBegun } from '../lib/chats.ts';

test.describe('a video call out of a chat in the newest Flex UI', () => {
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
        if (screen === 'start') await customer.page.locator('#start').click();
        if (screen === 'check') await customer.press('join');
        return screen === 'room';
      }, { timeout: 30_000, every: 300 });
      await desk.meet(chat, agent, customer);
      expect(await desk.allRooms(chat), 'one room').toHaveLength(1);
    });

    test('a camera that is switched off is off, light and all, and comes back; a mute reaches the room', async () => {
      const live = await customer.live();
      await customer.press('toggle-camera');
      await until('the picture to be gone', async () => !(await desk.published(chat, 'customer')).includes('video'));
      await until('the light to be off', async () => await customer.live() === live - 1, { timeout: 5_000 });
      await customer.press('toggle-camera');
      await agent.sees();
      await agent.press('toggle-microphone');
      await until('the agent to be muted', async () => desk.here(await desk.room(chat), 'agent')[0]?.tracks.every(({ kind, enabled }) => kind !== 'audio' || !enabled));
      await agent.press('toggle-microphone');
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
});
