// Pages that carry the unmodified `twilio-video` and meet in rooms of the sandbox.
import crypto from 'node:crypto';
import fs from 'node:fs';
import { chromium, type Browser as Chromium, type Page } from 'playwright-core';
import { chromiumArgs } from './browser.ts';
import type { Flow, VideoTrack } from './answers.ts';
import { type Patience, type Stack, type Switchboard, must, until } from './stack.ts';
import { test as base } from './test.ts';

const ORIGIN = 'https://meet.example.com';
const SDK = new URL('../../node_modules/twilio-video/dist/twilio-video.min.js', import.meta.url);
const HTML = '<!doctype html><meta charset="utf-8"><title>room</title><script src="/twilio-video.js"></script>';

/** Small pictures: what takes time here is Chromium's encoder, and several pages share two cores. */
const PICTURE = { width: 320, height: 180, frameRate: 10 };

/** One thing that the SDK said: who (`room`, `me`, or an identity), what, and its details. */
export type Said = [who: string, what: string, ...details: unknown[]];

interface TokenOptions {
  room?: string | null;
  /** Seconds from now; less than 0 is over. */
  ttl?: number;
  secret?: string;
  grants?: object;
}

/** An access token for Video, as a service would mint it. */
export function videoToken(stack: Stack, identity: string, { room = null, ttl = 3600, secret, grants }: TokenOptions = {}) {
  const now = Math.floor(Date.now() / 1000);
  const { account_sid, api_key_sid, api_key_secret } = stack.account;
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT', cty: 'twilio-fpa;v=1' })}.${part({
    jti: `${api_key_sid}-${now}`, iss: api_key_sid, sub: account_sid, iat: now - 60, exp: now + ttl,
    grants: grants ?? { identity, video: room === null ? {} : { room } },
  })}`;
  return `${text}.${crypto.createHmac('sha256', secret ?? api_key_secret).update(text).digest('base64url')}`;
}

/** What is read of a resource here. */
interface Resource { sid: string; status: string }

/** Where the SDK's script leaves it. */
export interface Loaded { Twilio: { Video: typeof import('twilio-video') } }

/** A track on its way from one to another. */
export type Way = Flow & { track: VideoTrack; switched_off: boolean };

/** Rooms of the sandbox: by REST as Twilio's, and as the switchboard sees them. */
export class Rooms {
  readonly stack: Stack;
  readonly switchboard: Switchboard;

  constructor(stack: Stack, switchboard: Switchboard) {
    this.stack = stack;
    this.switchboard = switchboard;
  }

  async rest<Body = Resource>(method: string, path: string, form?: Record<string, string>): Promise<{ status: number; body: Body }> {
    const { api_key_sid, api_key_secret } = this.stack.account;
    const response = await fetch(`http://127.0.0.1:${this.stack.http}/video/v1${path}`, {
      method,
      headers: { authorization: `Basic ${Buffer.from(`${api_key_sid}:${api_key_secret}`).toString('base64')}` },
      body: form && new URLSearchParams(form),
      signal: AbortSignal.timeout(10_000),
    });
    return { status: response.status, body: await response.json() as Body };
  }

  /** Makes a room: its SID. */
  async create(name: string, form: Record<string, string> = {}): Promise<string> {
    const { status, body } = await this.rest('POST', '/Rooms', { UniqueName: name, Type: 'group', ...form });
    if (status !== 201) throw new Error(`room ${name}: ${status} ${JSON.stringify(body)}`);
    return body.sid;
  }

  /** What the sandbox knows of a room, with what goes to whom. */
  view = async (name: string) => (await this.switchboard.video()).rooms.find(room => room.unique_name === name);

  /** The track of a kind that one publishes, as the media server sees it on its way to another. */
  async flow(name: string, publisher: string, subscriber: string, kind = 'video'): Promise<Way | undefined> {
    const participants = (await this.view(name))?.participants.filter(({ status }) => status !== 'disconnected');
    const one = (identity: string) => participants?.find(participant => participant.identity === identity);
    const track = one(publisher)?.tracks.find(track => track.kind === kind);
    const to = track?.media?.to.find(({ participant }) => participant === one(subscriber)?.sid);
    return track && to && { track, ...to.flow, switched_off: to.switched_off };
  }

  /** The same, where there has to be one. */
  async way(name: string, publisher: string, subscriber: string, kind = 'video'): Promise<Way> {
    return must(await this.flow(name, publisher, subscriber, kind), `${kind} from ${publisher} to ${subscriber}`);
  }

  /** Waits until pictures or sounds of one arrive at the other, by the media server's count. */
  gets = (name: string, subscriber: string, publisher: string, kind = 'video', patience: Patience = { timeout: 60_000 }) => until(
    `${subscriber} to get the ${kind} of ${publisher}`,
    async () => ((await this.flow(name, publisher, subscriber, kind))?.frames_per_second ?? 0) >= 1, patience);
}

/** A page in which somebody joins rooms. */
export class VideoPage {
  readonly page: Page;
  readonly who: string;
  readonly stack: Stack;

  constructor(page: Page, who: string, stack: Stack) {
    this.page = page;
    this.who = who;
    this.stack = stack;
  }

  static async open(browser: Chromium, stack: Stack, who: string): Promise<VideoPage> {
    // The page comes from nowhere, and Chromium asks before such a page may reach this machine, where the sandbox is.
    const permissions = ['camera', 'microphone', 'local-network-access'];
    const context = await browser.newContext({ ignoreHTTPSErrors: true, permissions });
    const page = await context.newPage();
    await page.route(`${ORIGIN}/**`, route => new URL(route.request().url()).pathname === '/twilio-video.js'
      ? route.fulfill({ contentType: 'text/javascript', body: fs.readFileSync(SDK) })
      : route.fulfill({ contentType: 'text/html', body: HTML }));
    await page.goto(`${ORIGIN}/`);
    return new VideoPage(page, who, stack);
  }

  /** Joins: `{ok: true}`, or the SDK's error. */
  join(room: string, { token, ...options }: { token?: string; [option: string]: unknown } = {}): Promise<{ ok: boolean; code?: number; name?: string; message?: string }> {
    return this.page.evaluate(async ([token, options]) => {
      const { Video } = (window as unknown as Loaded).Twilio;
      const heard: Said[] = window.__said = [];
      const say = (...said: Said) => { heard.push(said); };
      type Told = { code?: number; identity?: string; kind?: string };
      const told = (value: unknown) => value === null || typeof value !== 'object' ? value
        : (value as Told).code ?? (value as Told).identity ?? (value as Told).kind ?? value.constructor.name;
      type Emitter = { on(name: string, listener: (...args: unknown[]) => void): unknown };
      try {
        const room = await Video.connect(token, options);
        window.__room = room;
        const listen = (who: string, emitter: Emitter, names: string[]) => {
          for (const name of names) emitter.on(name, (...args: unknown[]) => say(who, name, ...args.map(told)));
        };
        listen('room', room, ['participantConnected', 'participantDisconnected', 'participantReconnecting', 'participantReconnected', 'reconnecting',
          'reconnected', 'dominantSpeakerChanged', 'recordingStarted', 'recordingStopped', 'trackSubscribed', 'trackUnsubscribed', 'trackDisabled',
          'trackEnabled', 'trackSwitchedOff', 'trackSwitchedOn']);
        room.on('disconnected', (_room: unknown, error?: Told) => say('room', 'disconnected', error?.code ?? null));
        listen('me', room.localParticipant, ['trackPublicationFailed', 'networkQualityLevelChanged']);
        room.on('trackSubscribed', track => {
          if (track.kind === 'data') track.on('message', (message: unknown) => say('data', 'message', message));
          else document.body.append(track.attach());
        });
        room.on('trackUnsubscribed', track => { if (track.kind !== 'data') track.detach().forEach(element => element.remove()); });
        return { ok: true };
      } catch (error) {
        const { code, name, message } = error as Error & { code?: number };
        return { ok: false, code, name, message };
      }
    }, [token ?? videoToken(this.stack, this.who, { room }), { name: room, insights: false, audio: true, video: PICTURE, ...options }] as const);
  }

  said = (): Promise<Said[]> => this.page.evaluate(() => window.__said ?? []);
  /** Waits until the SDK said something, its details included as far as they are given. */
  hears = (what: string, details: unknown[] = [], patience: Patience = { timeout: 60_000 }) => until(
    `${this.who} to hear ${what} ${details.join(' ')}`, async () => {
      const said = await this.said();
      return said.some(([, name, ...rest]) => name === what && details.every((detail, n) => rest[n] === detail));
    }, patience);
  /** How many frames of remote pictures were painted. */
  painted = (): Promise<number> => this.page.evaluate(() => [...document.querySelectorAll('video')]
    .reduce((sum, video) => sum + video.getVideoPlaybackQuality().totalVideoFrames, 0));
  /** Waits until pictures move. */
  sees = async (patience: Patience = { timeout: 60_000 }) => {
    const before = await this.painted();
    await until(`${this.who} to see a picture that moves`, async () => (await this.painted()) > before + 3, patience);
  };
  /** Waits until sound arrives that is not silence. */
  hearsSound = (patience: Patience = { timeout: 60_000 }) => until(`${this.who} to hear somebody`, () => this.page.evaluate(async () => {
    const reports = await window.__room.getStats();
    return reports.some(report => report.remoteAudioTrackStats.some(({ audioLevel }) => (audioLevel ?? 0) > 0));
  }), patience);
  leave = () => this.page.evaluate(() => { window.__room.disconnect(); });
}

/** Tests with a Chromium that has no extension, and a function that opens a page for somebody. */
export const test = base.extend<{ rooms: Rooms; open: (who: string) => Promise<VideoPage> }>({
  rooms: async ({ stack, switchboard }, use) => use(new Rooms(stack, switchboard)),
  open: async ({ stack, switchboard: _clean }, use) => {
    const browser = await chromium.launch({
      executablePath: stack.chromium,
      headless: false,
      args: [...chromiumArgs(stack, { extension: null }), '--autoplay-policy=no-user-gesture-required'],
    });
    await use(who => VideoPage.open(browser, stack, who));
    await browser.close();
  },
});
