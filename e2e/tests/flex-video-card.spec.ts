// The button and the card of video in the real Flex UI, whose service is played here: how it looks, what a click asks for, and the tab
// of an agent without the extension. Calls in whole are in flex-video.spec.ts.
import type { BrowserContext } from 'playwright-core';
import { type Browser, launch } from '../lib/browser.ts';
import { Chats } from '../lib/chats.ts';
import { FlexPage } from '../lib/flex.ts';
import { type Stack, Switchboard, must, until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

const CODE = '0123456789abcdefghjk';

/** The service's word: what it says of the session, and what it was asked. */
class Service {
  readonly asked: { path: string; body: unknown }[] = [];
  readonly pages: string[] = [];
  status: Record<string, unknown> = { phase: 'none' };
  fails = false;

  async play(context: BrowserContext) {
    await context.route(/\/v1\/video\/tasks\//, async route => {
      const request = route.request();
      const path = new URL(request.url()).pathname.replace(/^.*\/tasks\/WT[0-9a-f]{32}/, '');
      const answer = (status: number, body: unknown) => route.fulfill({ status, json: body, headers: { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*' } });
      if (request.method() === 'GET') return answer(200, this.status);
      if (request.method() !== 'POST') return answer(204, {});
      this.asked.push({ path, body: request.postDataJSON() });
      if (this.fails) return answer(503, { code: 'upstream_unavailable', message: '', request_id: '' });
      const invitation = { url: `https://join.acme.example/v/${CODE}`, sent: false };
      if (path === '/invitations') return answer(200, invitation);
      if (path !== '') return answer(200, this.status);
      this.status = { phase: 'invited', session: 'one' };
      return answer(200, { status: this.status, agent_link: CODE, invitation });
    });
    await context.route(/\/v\/[0-9a-z]{20}$/, route => {
      this.pages.push(route.request().url());
      return route.fulfill({ contentType: 'text/html', body: '<title>call</title>' });
    });
  }

  posts = (path: string) => this.asked.filter(one => one.path === path).length;
}

/** An agent without the extension who looks at a chat. */
class Desk {
  readonly flex: FlexPage;
  readonly service: Service;
  readonly chats: Chats;
  readonly conversation: string;
  readonly #browser: Browser;

  private constructor(browser: Browser, flex: FlexPage, service: Service, chats: Chats, conversation: string) {
    this.#browser = browser;
    this.flex = flex;
    this.service = service;
    this.chats = chats;
    this.conversation = conversation;
  }

  static async open(stack: Stack, switchboard: Switchboard) {
    await switchboard.setUiAttributes({ holdfast: { token_service_url: stack.token_url, video: true } });
    // Or the plugin keeps an agent without the extension off the queue.
    await switchboard.setAttributes({ extensionVoiceClientEnabled: false });
    await switchboard.setActivity('Available');
    const browser = await launch(stack, { extension: null });
    const service = new Service();
    await service.play(browser.context);
    const flex = await FlexPage.open(browser.context, { waitReady: false });
    await flex.booted();
    const chats = new Chats(switchboard);
    const chat = await chats.begin({ channel: 'web', text: 'Can I show you the box?' });
    await flex.accept(30_000);
    const task = await until('the chat to be accepted', async () => (await flex.store()).tasks.find(one => one.taskSid === chat.task_sid && one.status === 'accepted'));
    await flex.invoke('SelectTask', { sid: task.sid });
    return new Desk(browser, flex, service, chats, chat.conversation_sid);
  }

  part = (name: string) => this.flex.page.getByTestId(`holdfast-video-${name}`);
  /** What the customer has been sent. */
  links = async () => (await this.chats.get(this.conversation)).messages.filter(({ body }) => body?.includes(`/v/${CODE}`)).length;
  close = () => this.#browser.close();
}

test('in the newest Flex UI the card says how a video call stands, light, dark and narrow, and its buttons ask the service', async ({ stack, switchboard }) => {
  test.setTimeout(180_000);
  const desk = await Desk.open(stack, switchboard);
  const { flex, service, part } = desk;
  await expect(part('button')).toHaveAccessibleName('Start a video call');
  await expect(part('card')).toHaveCount(0);
  await flex.picture('video-card-none');
  service.fails = true;
  const failed = flex.page.waitForEvent('popup');
  await part('button').click();
  await until('the tab that never got a link to be closed', async () => (await failed).isClosed());
  await expect(part('trouble')).toContainText('The video service cannot be reached at the moment.');
  expect(await desk.links()).toBe(0);
  await flex.picture('video-card-trouble');
  service.fails = false;
  const opened = flex.page.waitForEvent('popup');
  await part('retry').click();
  await until('the tab to be at the page of the call', () => service.pages.length > 0);
  await expect(part('card-line')).toHaveText('The customer has not opened the link yet.');
  await until('the customer to have one link', async () => await desk.links() === 1);
  await part('button').click();
  await part('card-show').click();
  expect([service.pages.length, await desk.links(), flex.page.context().pages().filter(page => page.url().includes('/v/')).length]).toEqual([1, 1, 1]);
  await must(await opened, 'tab').close();
  service.status = {
    phase: 'met', session: 'one', seconds: 61, recording: 'asking',
    people: [{ role: 'agent', you: true, quality: 5 }, { role: 'customer', quality: 2 }],
    waiting: [{ id: 'w1', why: 'second_browser' }],
  };
  await expect(part('card-people')).toContainText('Customer: poor connection', { timeout: 15_000 });
  await expect(part('card-time')).toHaveText(/^1:0\d$/);
  await flex.picture('video-card-light');
  await flex.page.evaluate(() => Twilio.Flex.Manager.getInstance().updateConfig({ theme: { isLight: false } }));
  await flex.page.waitForTimeout(1_000);
  await flex.picture('video-card-dark');
  await flex.page.setViewportSize({ width: 800, height: 700 });
  await flex.picture('video-card-narrow');
  await part('card-admit').click();
  await until('the service to be asked', () => service.posts('/admit') === 1);
  await part('new-link').click();
  await flex.picture('video-card-question');
  await part('confirm').click();
  await until('the customer to have the new link', async () => await desk.links() === 2);
  expect(service.asked.find(one => one.path === '/invitations')?.body).toEqual({ revoke: true });
  // F5: the card is there again, and the end is asked for once.
  await flex.refresh();
  await expect(part('card')).toBeVisible({ timeout: 30_000 });
  expect(await flex.page.evaluate(() => sessionStorage.getItem('holdfast.video'))).not.toContain(CODE);
  service.status = { phase: 'ended', ended: 'agent', session: 'one' };
  await part('card-end').click();
  await expect(part('card-line')).toHaveText('The video call is over.');
  expect(service.posts('/end')).toBe(1);
  expect(flex.errors).toEqual([]);
  await desk.close();
});

test.describe('in the oldest', () => {
  test.use({ flexUi: 'oldest' });

  test('in the oldest Flex UI a click without the extension opens a tab, and the card follows', async ({ stack, switchboard }) => {
    test.setTimeout(180_000);
    const desk = await Desk.open(stack, switchboard);
    const { flex, service, part } = desk;
    await expect(part('button')).toHaveAccessibleName('Start a video call');
    await part('button').click();
    const page = `${new URL(stack.token_url).origin}/v/${CODE}#start`;
    await until('the tab to be at the page of the call', () => flex.page.context().pages().some(tab => tab.url() === page));
    await until('the customer to have the link', async () => await desk.links() === 1);
    await expect(part('card')).toContainText('The customer has not opened the link yet.');
    await flex.picture('video-card-oldest');
    const { sid } = must((await flex.store()).tasks[0], 'task');
    await flex.invoke('WrapupTask', { sid });
    await until('the end to be told', () => service.posts('/end') === 1);
    expect(service.asked.at(-1)?.body).toEqual({ reason: 'task_over' });
    await desk.close();
  });
});
