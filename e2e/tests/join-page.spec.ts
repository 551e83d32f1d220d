// The page of a call in a real Chromium, in a room of the sandbox: cameras, microphones, speakers, other tabs, and what a browser does
// to a page unasked. What the service would answer is made up here; the page itself comes from it.
import type { BrowserContext, Page } from 'playwright-core';
import type { VideoTrack } from '../lib/answers.ts';
import { type Stack, must, until } from '../lib/stack.ts';
import { expect, test as base } from '../lib/test.ts';
import { CallPage, Customers } from '../lib/video-call.ts';
import { Rooms, videoToken } from '../lib/video.ts';

const CODE = '0123456789abcdefghjk';
const ME = 'customer_me';

/** Somebody with a link to a room of their own, in which nobody else is. */
class Guest {
  readonly context: BrowserContext;
  readonly rooms: Rooms;
  readonly room: string;
  readonly stack: Stack;

  constructor(context: BrowserContext, rooms: Rooms, room: string, stack: Stack) {
    this.context = context;
    this.rooms = rooms;
    this.room = room;
    this.stack = stack;
  }

  /** What the service answers to everybody who has the link. */
  async answer() {
    const token = videoToken(this.stack, ME, { room: this.room });
    const admission = { token, room: this.room, identity: ME, region: '' };
    const answers: Record<string, object> = {
      look: { role: 'customer', organisation: 'Acme', agent: 'Ada' },
      join: { seat: 'a seat', role: 'customer', admission },
      pulse: { next: 5 },
    };
    await this.context.route('**/v1/video/*', route => {
      const answer = answers[new URL(route.request().url()).pathname.split('/').pop()!];
      return answer ? route.fulfill({ contentType: 'application/json', body: JSON.stringify(answer) }) : route.fulfill({ status: 204 });
    });
  }

  /** Opens the link, in one more tab. */
  open = (who = 'the guest') => Customers.tab(this.context, new URL(`/v/${CODE}`, this.stack.token_url).href, who);

  /** Opens it and goes into the room. */
  async join() {
    const page = await this.open();
    await page.join();
    await page.shows('room');
    await until('both tracks to be published', async () => (await this.published()).join() === 'camera,microphone');
    return page;
  }

  /** What the room has of us: tracks that are seen or heard. */
  tracks = async (): Promise<VideoTrack[]> => ((await this.rooms.view(this.room))?.participants ?? [])
    .filter(({ status }) => status !== 'disconnected')
    .flatMap(({ tracks }) => tracks.filter(({ kind }) => kind !== 'data'));
  published = async () => (await this.tracks()).map(({ name }) => name).sort();
}

/** The devices behind the tracks that are captured now. */
const captured = (page: Page) => page.evaluate(() => window.__captured.filter(track => track.readyState === 'live')
  .map(track => `${track.kind} ${track.getSettings().deviceId}`).sort());

/** The microphone that runs. */
const microphone = async (page: CallPage) => must((await captured(page.page)).find(one => one.startsWith('audio')), 'microphone that runs');

const test = base.extend<{ customers: Customers; guest: (before?: () => void) => Promise<Guest> }>({
  customers: async ({ stack, switchboard: _clean }, use) => {
    const customers = await Customers.start(stack);
    await use(customers);
    await customers.close();
  },
  guest: async ({ stack, switchboard, customers }, use) => {
    await use(async before => {
      const guest = new Guest(await customers.person({ before }), new Rooms(stack, switchboard), 'page', stack);
      await guest.rooms.create(guest.room);
      await guest.answer();
      return guest;
    });
  },
});

test('another microphone is taken in the call, the former is let go, and after a reload it is the same again', async ({ guest }) => {
  const one = await guest();
  const page = await one.join();
  const before = await microphone(page);
  await page.press('devices');
  const choice = page.page.locator('#devices select').first();
  const devices = await choice.locator('option').allInnerTexts();
  // The fake devices: the one that is in use came by the system's choice.
  await choice.selectOption({ index: devices.length - 1 });
  await until('another microphone', async () => await microphone(page) !== before);
  const chosen = await microphone(page);
  await until('the former to be let go', async () => await page.live() === 2, { timeout: 5_000 });
  expect(await one.published(), 'the same publication').toEqual(['camera', 'microphone']);
  await page.page.reload();
  await page.shows('room');
  await until('both tracks to be published again', async () => (await one.published()).join() === 'camera,microphone');
  expect(await microphone(page), 'the choice is remembered').toBe(chosen);
});

test('a second tab of the same link leaves the call where it is, takes it over by a click, and the first tab lets camera and microphone go', async ({ guest }) => {
  const one = await guest();
  const first = await one.join();
  const second = await one.open('the second tab');
  await second.shows('elsewhere');
  expect(await second.live(), 'nothing is captured in it').toBe(0);
  expect(await first.screen()).toBe('room');
  await second.press('use-here');
  await first.shows('elsewhere');
  await first.dark();
  await until('the second tab in the room', async () => {
    if (await second.screen() === 'check') await second.press('join');
    return await second.screen() === 'room';
  }, { timeout: 30_000, every: 200 });
  await until('one of them in the room', async () => (await one.published()).join() === 'camera,microphone');
  expect(await first.live()).toBe(0);
});

test('a socket that is lost is said in words and taken back when it is there again', async ({ guest, switchboard }) => {
  const one = await guest();
  const page = await one.join();
  const banner = page.page.locator('.banner[data-urgent]');
  await switchboard.fault({ kind: 'video_socket', identity: ME, lasts_ms: 3_000 });
  await expect(banner).toBeVisible({ timeout: 15_000 });
  await expect(banner).toBeHidden({ timeout: 30_000 });
  expect(await page.screen()).toBe('room');
  expect(await page.live(), 'the camera stays on').toBe(2);
});

test('whoever leaves while the browser still opens the camera leaves no light on', async ({ guest }) => {
  const one = await guest(() => {
    const { mediaDevices } = navigator;
    const capture = mediaDevices.getUserMedia.bind(mediaDevices);
    window.__opening = 0;
    mediaDevices.getUserMedia = async wanted => {
      window.__opening += 1;
      // For as long as a person looks at the browser's question.
      await new Promise<void>(resolve => { addEventListener('allowed', () => resolve(), { once: true }); });
      try {
        return await capture(wanted);
      } finally {
        window.__opening -= 1;
      }
    };
  });
  const page = await one.open();
  await page.page.locator('#start').click();
  await until('the browser to be asked', () => page.page.evaluate(() => window.__opening > 0));
  await page.press('join');
  await page.shows('room');
  await page.press('leave');
  await page.shows('over');
  await page.page.evaluate(() => dispatchEvent(new Event('allowed')));
  await until('the browser to have opened them', () => page.page.evaluate(() => window.__opening === 0));
  await page.dark();
});

test('a camera that is unplugged is off for everybody, and goes on again by a click', async ({ guest }) => {
  const one = await guest();
  const page = await one.join();
  await page.page.evaluate(() => {
    const camera = window.__captured.findLast(track => track.kind === 'video')!;
    camera.stop();
    camera.dispatchEvent(new Event('ended'));
  });
  await until('no camera to be published', async () => (await one.published()).join() === 'microphone');
  expect(await page.live(), 'the microphone runs on').toBe(1);
  await page.press('toggle-camera');
  await until('the camera to be published', async () => (await one.published()).join() === 'camera,microphone');
});

test('a screen that is not chosen is no error, and the next one is shared', async ({ guest }) => {
  const one = await guest(() => {
    const { mediaDevices } = navigator;
    const share = mediaDevices.getDisplayMedia.bind(mediaDevices);
    let asked = 0;
    mediaDevices.getDisplayMedia = wanted => ++asked === 1 ? Promise.reject(new DOMException('Permission denied', 'NotAllowedError')) : share(wanted);
  });
  const page = await one.join();
  await page.press('toggle-share');
  await expect(page.button('toggle-share')).toBeEnabled();
  await expect(page.page.locator('.banner')).toHaveCount(0);
  expect(await one.published()).toEqual(['camera', 'microphone']);
  await page.press('toggle-share');
  await until('the screen to be published', async () => (await one.published()).join() === 'camera,microphone,screen');
  await page.press('toggle-share');
  await until('the screen to be gone', async () => (await one.published()).join() === 'camera,microphone');
  await until('its capture to be over', async () => await page.live() === 2, { timeout: 5_000 });
});

test('the screen stays awake from joining to leaving, and is asked for again when the page is seen again', async ({ guest }) => {
  const one = await guest(() => {
    window.__awake = [];
    Object.defineProperty(navigator, 'wakeLock', {
      value: {
        request: async () => {
          const lock = { released: false, release: async () => { lock.released = true; } };
          window.__awake.push(lock);
          return lock;
        },
      },
    });
  });
  const page = await one.join();
  const awake = () => page.page.evaluate(() => window.__awake.map(({ released }) => released));
  await until('the lock to be asked for', async () => (await awake()).length === 1);
  await page.page.evaluate(() => { window.__awake[0].released = true; document.dispatchEvent(new Event('visibilitychange')); });
  await until('the lock to be asked for again', async () => (await awake()).length === 2);
  expect((await awake())[1], 'the new one is held').toBe(false);
  await page.press('leave');
  await until('the lock to be given back', async () => (await awake()).every(released => released));
});

test('sound that the browser holds back is offered by a button, and plays after the tap', async ({ guest, customers, stack }) => {
  const one = await guest(() => {
    const play = HTMLMediaElement.prototype.play;
    let tapped = false;
    addEventListener('click', event => { tapped ||= Boolean((event.target as Element).closest('[data-action="hear"]')); }, true);
    HTMLMediaElement.prototype.play = function (this: HTMLMediaElement) {
      const holds = this instanceof HTMLAudioElement && !tapped;
      return holds ? Promise.reject(new DOMException('play() failed', 'NotAllowedError')) : play.call(this);
    };
  });
  const page = await one.join();
  await expect(page.button('hear'), 'nobody is there to be heard').toHaveCount(0);
  // Somebody who is heard: the same page, with another's seat.
  const context = await customers.person();
  const other = new Guest(context, one.rooms, one.room, stack);
  await other.answer();
  await context.route('**/v1/video/join', route => route.fulfill({
    contentType: 'application/json',
    body: JSON.stringify({
      seat: 'another seat', role: 'guest',
      admission: { token: videoToken(stack, 'guest_other', { room: one.room }), room: one.room, identity: 'guest_other', region: '' },
    }),
  }));
  await (await other.open('the other')).join();
  await expect(page.button('hear')).toBeVisible({ timeout: 30_000 });
  await page.press('hear');
  await expect(page.button('hear')).toHaveCount(0, { timeout: 15_000 });
});
