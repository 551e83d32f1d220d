// A real Chromium with the unpacked extension, its names mapped to the sandbox.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium, type Page } from 'playwright-core';
import type { ToPopup, UiState } from '../generated/protocol.d.ts';
import { answerConsent } from './consent.ts';
import type { Display } from './display.ts';
import type { Stack } from './stack.ts';

/** 16-bit mono WAV of a steady tone: what the agent "says", so that the customer can recognise it. */
export function toneWav(hz: number, seconds: number, rate = 48_000) {
  const samples = rate * seconds;
  const wav = Buffer.alloc(44 + samples * 2);
  wav.write('RIFF', 0).toString();
  wav.writeUInt32LE(36 + samples * 2, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(rate, 24);
  wav.writeUInt32LE(rate * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(samples * 2, 40);
  for (let i = 0; i < samples; i++) wav.writeInt16LE(Math.round(12_000 * Math.sin((2 * Math.PI * hz * i) / rate)), 44 + i * 2);
  return wav;
}

/**
 * A film of a bar that moves, as raw pictures (YUV4MPEG2): what a camera "sees" of somebody in a call. Small, because what takes time
 * is Chromium's encoder, and two browsers share this machine.
 */
export function cameraFilm({ width = 320, height = 180, rate = 10, frames = 40 } = {}) {
  const [luma, chroma] = [width * height, (width / 2) * (height / 2)];
  const film = [Buffer.from(`YUV4MPEG2 W${width} H${height} F${rate}:1 Ip A1:1 C420jpeg\n`)];
  for (let frame = 0; frame < frames; frame++) {
    const picture = Buffer.alloc(luma + 2 * chroma, 128);
    const from = Math.floor((frame / frames) * (width - 40));
    for (let row = 0; row < height; row++) picture.fill(60 + (row % 60), row * width, (row + 1) * width).fill(235, row * width + from, row * width + from + 40);
    film.push(Buffer.from('FRAME\n'), picture);
  }
  return Buffer.concat(film);
}

/** The tone that the agent's fake microphone plays. */
export const AGENT_TONE_HZ = 880;

interface Args {
  extension?: string | null;
  microphone?: string;
  camera?: string;
  fakeDevices?: boolean;
  headless?: boolean;
}

/** The arguments of every Chromium that the tests and the demo start. */
export function chromiumArgs(stack: Stack, { extension = stack.extension_dir, microphone, camera, fakeDevices = true, headless = true }: Args = {}) {
  return [
    ...(headless ? ['--headless=new'] : []),
    ...stack.chromium_args,
    ...(fakeDevices ? ['--use-fake-device-for-media-stream'] : []),
    ...(fakeDevices && microphone ? [`--use-file-for-fake-audio-capture=${microphone}`] : []),
    ...(fakeDevices && camera ? [`--use-file-for-fake-video-capture=${camera}`] : []),
    ...(extension ? [`--disable-extensions-except=${extension}`, `--load-extension=${extension}`] : []),
  ];
}

/**
 * A scratch directory with the microphone's WAV and a profile in it; removed by `remove`. The profile is in developer mode,
 * as that of everybody who loads an unpacked extension: otherwise Chromium keeps such an extension disabled once it was
 * reloaded (chrome://extensions says "Turn on developer mode to use this extension").
 */
export function scratch() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-'));
  const profile = path.join(dir, 'profile');
  fs.mkdirSync(path.join(profile, 'Default'), { recursive: true });
  fs.writeFileSync(path.join(profile, 'Default/Preferences'), JSON.stringify({ extensions: { ui: { developer_mode: true } } }));
  const microphone = path.join(dir, 'agent.wav');
  fs.writeFileSync(microphone, toneWav(AGENT_TONE_HZ, 10));
  const camera = path.join(dir, 'film.y4m');
  fs.writeFileSync(camera, cameraFilm());
  return { dir, profile, microphone, camera, remove: () => fs.rmSync(dir, { recursive: true, force: true, maxRetries: 5 }) };
}

interface Launch {
  extension?: string | null;
  extensionId?: string;
  microphone?: boolean;
  /** May the extension's window have the camera? */
  camera?: boolean;
  flexMicrophone?: boolean;
  consent?: boolean;
  updates?: boolean;
  display?: Display | null;
}

/** A Chromium that Playwright drives. */
export type Browser = Awaited<ReturnType<typeof launch>>;

/**
 * Starts Chromium through Playwright. Playwright attaches to the extension's service worker and so keeps it alive:
 * for everything about the worker's lifetime use `lib/cdp.ts` instead. Unless `consent` is false, the agent agrees to
 * the token service as soon as the popup asks. With a `display` (lib/display.ts) it shows a window there.
 */
export async function launch(stack: Stack, { extension = stack.extension_dir, extensionId = stack.extension_id, microphone = true, camera = false, flexMicrophone = microphone, consent = true, updates = false, display = null }: Launch = {}) {
  const temp = scratch();
  const context = await chromium.launchPersistentContext(temp.profile, {
    executablePath: stack.chromium,
    headless: false,
    ignoreDefaultArgs: ['--disable-extensions', '--mute-audio', ...(updates ? ['--disable-background-networking'] : [])],
    args: chromiumArgs(stack, { extension, microphone: temp.microphone, camera: temp.camera, headless: !display }),
    env: { ...process.env, ...display?.env },
    viewport: { width: 1500, height: 900 },
  });
  const cdp = await context.browser()?.newBrowserCDPSession?.() ?? await context.newCDPSession(context.pages()[0]);
  const grant = async (on: boolean) => {
    for (const origin of [`chrome-extension://${extensionId}`, ...(flexMicrophone ? ['https://flex.twilio.com'] : [])]) {
      await cdp.send(on ? 'Browser.grantPermissions' : 'Browser.resetPermissions',
        on ? { origin, permissions: ['audioCapture', 'notifications', ...(camera ? ['videoCapture' as const] : [])] } : {});
    }
  };
  if (microphone) await grant(true);
  const popupUrl = `chrome-extension://${extensionId}/popup.html`;
  // Another extension (--extension) may ask nothing.
  const asks = extension && fs.existsSync(path.join(extension, 'popup.html'))
    && fs.readFileSync(path.join(extension, 'popup.html'), 'utf8').includes('consent-allow');
  // In the background, for as long as it takes; the browser's end is its end.
  if (consent && asks) answerConsent(context, popupUrl).catch(() => {});
  return {
    context,
    extensionUrl: (page: string) => `chrome-extension://${extensionId}/${page}`,
    version: context.browser()?.version() ?? '',
    async close() {
      await context.close();
      temp.remove();
    },
  };
}

/** The worker's state as the popup shows it, read from an extension page over the same port. */
export const uiState = (page: Pick<Page, 'evaluate'>) => page.evaluate(() => new Promise<UiState>((resolve, reject) => {
  const port = chrome.runtime.connect({ name: 'popup' });
  const timer = setTimeout(() => reject(new Error('the worker did not answer within 10 s')), 10_000);
  port.onMessage.addListener((message: ToPopup) => {
    if (message.type !== 'state') return;
    clearTimeout(timer);
    port.disconnect();
    resolve(message.state);
  });
}));
