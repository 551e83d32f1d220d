// Every screen of the extension's pages, each with a state that a worker could have sent.
//
// The pages are the product's own, in the extension's own origin; only their port to the worker is played here, so that
// rare states can be looked at, and what a click sends can be read.
import fs from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';
import type {
  AudioDevice, AudioState, CallSummary, CallView, ProblemCode, QualitySample, ToPopup, UiState,
} from '../generated/protocol.d.ts';
import type { Browser } from './browser.ts';

type Locale = 'en' | 'es';

export interface Screen {
  name: string;
  page: 'popup.html' | 'options.html' | 'welcome.html';
  /** `null`: the worker has not answered. */
  state: () => UiState | null;
  permission?: PermissionState;
  /** What an agent does to see it. */
  after?: (page: Page) => Promise<unknown>;
}

const AC = `AC${'1'.repeat(32)}`;
const sid = (digit: string) => `CA${digit.repeat(32)}`;
const seconds = (count: number) => Date.now() - count * 1000;

const NAME = 'Dr. Maximiliane-Alexandra von Wolkenstein-Trostburg (Customer Care, Northern Region)';
const HEADSET = 'Plantronics Blackwire 5220 Series Analog Stereo Headset (047f:c053)';

const base = (): UiState => ({
  protocolVersion: 2, status: 'registered', registered: true, call: null, problem: null, flexTokenExpiresAt: null,
  extensionVersion: '1.0.0', waiting: null, audio: null,
  accountSid: AC, identity: 'ext_agent_40acme_2Etest', tokenService: 'https://tokens.acme.test', managed: false,
  pagesOpen: 1, pagesConnected: 1, voiceTokenExpiresAt: seconds(-3000), workerStartedAt: seconds(400), version: '1.0.0',
  log: [
    { at: seconds(400), level: 'info', message: 'worker started' },
    { at: seconds(398), level: 'info', message: 'registered at ashburn' },
    { at: seconds(60), level: 'warning', message: 'the gateway was silent for 12 s: registering again' },
    { at: seconds(30), level: 'error', message: 'call failed: 53405, media connection failed' },
  ],
  consent: null, policy: [], policyComplaints: [], mayRestart: true, mayChangeSettings: true, quality: [], calls: [], counters: {},
});

const device = (id: string, label: string): AudioDevice => ({ id, label });
const audio = (more: Partial<AudioState> = {}): AudioState => ({
  microphones: [device('default', 'Default'), device('m1', HEADSET), device('m2', 'Built-in')],
  speakers: [device('default', 'Default'), device('s1', HEADSET), device('s2', 'Built-in')],
  wanted: { microphone: device('m1', HEADSET), speaker: device('s1', HEADSET), volume: 70 },
  microphone: device('m1', HEADSET), speaker: device('s1', HEADSET), missing: [], microphoneOpen: false, microphoneMuted: false, ...more,
});

/** A minute of samples whose score `mos` gives, in hundredths, by the sample's number. */
const samples = (mos: (number: number) => number): QualitySample[] => Array.from({ length: 60 }, (_, i) => (
  { at: seconds(60 - i), rttMs: 40 + (i % 7), jitterMs: 2 + (i % 3), lossPermille: i % 4, mosHundredths: mos(i) }));

const call = (more: Partial<CallView> = {}): CallView => ({
  sid: sid('a'), state: 'open', since: seconds(140), answeredAt: seconds(133), muted: false, from: '+15550100', ...more,
});

const past = (digit: string, from: string, length: number, mos: number | null, problem: CallSummary['problem'] = null): CallSummary => ({
  sid: sid(digit), from, since: seconds(5000), ...(length ? { answeredAt: seconds(4990) } : {}),
  endedAt: seconds(4990 - length), problem,
  quality: {
    samples: length, mosMeanHundredths: mos, mosWorstHundredths: mos, rttMeanMs: 40, rttWorstMs: 90, jitterWorstMs: 9,
    lossMeanPermille: 2, warnings: [],
  },
});
const calls = (): CallSummary[] => [
  past('b', NAME, 0, null), past('c', '+15550101', 845, 421), past('d', '+15550102', 63, 330),
  past('e', 'client:ana', 12, 180, { code: 'call_failed', message: 'media connection failed', retrying: false }),
];

const good = (i: number) => 410 + (i % 5) * 6;
const worse = (i: number) => (i < 35 ? 420 - (i % 3) * 8 : 250 - (i % 6) * 14);
const inCall = (more: Partial<CallView>, quality = good): UiState => ({
  ...base(), audio: audio({ microphoneOpen: true }), call: call(more), quality: samples(quality), calls: calls(),
});
const failing = (code: ProblemCode, retrying = false): UiState => ({ ...base(), status: 'failed', registered: false, problem: { code, message: 'in the log', retrying } });
const openDetails = (page: Page) => page.locator('details:visible').evaluateAll(all => (all as HTMLDetailsElement[]).forEach(one => { one.open = true; }));

const policy = [
  { key: 'accountSids', value: AC },
  { key: 'tokenServiceUrls', value: 'https://voice-token.a-very-long-company-name.example/v1/voice/token' },
  { key: 'secondCall', value: 'offer' },
];

/** Name, page, state, and what else makes the screen. A state of `null`: the worker has not answered. */
export const SCREENS: Screen[] = [
  { name: 'popup-waking', page: 'popup.html', state: () => null },
  { name: 'popup-ready', page: 'popup.html', state: base },
  { name: 'popup-ready-open', page: 'popup.html', state: () => ({ ...base(), audio: audio(), calls: calls(), managed: true }), after: openDetails },
  { name: 'popup-no-flex', page: 'popup.html', state: () => ({ ...base(), status: 'waitingForFlex', registered: false, pagesOpen: 0, pagesConnected: 0 }) },
  { name: 'popup-microphone-blocked', page: 'popup.html', state: base, permission: 'denied' },
  { name: 'popup-connecting', page: 'popup.html', state: () => ({ ...base(), call: call({ state: 'connecting', answeredAt: undefined }) }) },
  { name: 'popup-call', page: 'popup.html', state: () => inCall({}) },
  { name: 'popup-call-measuring', page: 'popup.html', state: () => ({ ...inCall({}), quality: [] }) },
  { name: 'popup-call-long-name-muted', page: 'popup.html', state: () => inCall({ from: NAME, muted: true }) },
  { name: 'popup-call-hold', page: 'popup.html', state: () => inCall({ onHold: true }) },
  { name: 'popup-call-warning', page: 'popup.html', state: () => inCall({ warnings: ['high-packet-loss', 'low-mos'] }, worse) },
  { name: 'popup-call-keypad', page: 'popup.html', state: () => inCall({}), after: page => page.locator('#keypad-toggle').click() },
  { name: 'popup-call-devices', page: 'popup.html', state: () => ({ ...inCall({}), audio: audio({ missing: ['microphone', 'speaker'], microphone: device('m2', 'Built-in'), speaker: device('s2', 'Built-in') }) }), after: page => page.locator('#sound > summary').click() },
  { name: 'popup-waiting', page: 'popup.html', state: () => ({ ...inCall({}), waiting: { sid: sid('f'), from: NAME, since: seconds(3), unexpected: false } }) },
  { name: 'popup-unexpected', page: 'popup.html', state: () => ({ ...base(), waiting: { sid: sid('f'), since: seconds(3), unexpected: true } }) },
  { name: 'popup-unexpected-in-call', page: 'popup.html', state: () => ({ ...inCall({}), waiting: { sid: sid('f'), from: 'client:firstname.lastname@depar…', since: seconds(3), unexpected: true } }) },
  { name: 'popup-consent', page: 'popup.html', state: () => ({ ...base(), status: 'waitingForFlex', registered: false, accountSid: null, identity: null, tokenService: null, consent: { accountSid: AC, tokenUrl: 'https://voice-token.contact-centre.a-very-long-company-name.example:8443/v1/voice/token', pageOrigin: 'https://flex.twilio.com' } }) },
  { name: 'popup-problem', page: 'popup.html', state: () => failing('token_service_unavailable', true) },
  { name: 'popup-problem-declined', page: 'popup.html', state: () => failing('consent_declined') },
  { name: 'popup-problem-in-call', page: 'popup.html', state: () => ({ ...inCall({}), problem: { code: 'audio_device_missing', message: '', retrying: false } }) },
  { name: 'popup-restart-question', page: 'popup.html', state: base, after: page => page.locator('#restart').click() },
  { name: 'popup-restart-forbidden', page: 'popup.html', state: () => ({ ...base(), mayRestart: false, managed: true }), after: page => page.locator('#restart').click({ force: true }) },
  { name: 'welcome-ask', page: 'welcome.html', state: () => ({ ...base(), status: 'waitingForFlex', pagesOpen: 0, pagesConnected: 0 }), permission: 'prompt' },
  { name: 'welcome-blocked', page: 'welcome.html', state: base, permission: 'denied' },
  { name: 'welcome-done', page: 'welcome.html', state: base },
  { name: 'options', page: 'options.html', state: () => ({ ...base(), audio: audio(), calls: calls(), counters: { messages_dropped: 3, tokens_fetched: 12, worker_started: 4 } }), after: openDetails },
  { name: 'options-managed', page: 'options.html', state: () => ({ ...base(), audio: audio(), managed: true, mayChangeSettings: false, mayRestart: false, policy, policyComplaints: [{ key: 'edges', wants: 'edge' }, { key: 'logLevel', wants: { oneOf: ['info', 'warning', 'error'] } }] }) },
  { name: 'options-nothing-known', page: 'options.html', state: () => ({ ...base(), status: 'waitingForFlex', registered: false, accountSid: null, identity: null, tokenService: null, log: [] }), permission: 'prompt' },
];

type Words = Record<string, { message: string }>;

/** The words of a language, as the extension ships them. */
export const words = (extension: string, locale: string): Words =>
  JSON.parse(fs.readFileSync(path.join(extension, '_locales', locale, 'messages.json'), 'utf8'));

/** Runs in the page before its own script: the worker's end of the port, the words, the microphone's permission. */
function playWorker({ state, messages, permission }: { state: UiState | null; messages: Words; permission: PermissionState }) {
  const heard: Window['played']['heard'] = [];
  const listeners: ((message: ToPopup) => void)[] = [];
  const tell = (message: ToPopup) => listeners.forEach(listener => listener(message));
  window.played = { heard, tell };
  chrome.runtime.connect = ({ name }) => ({
    name,
    postMessage: message => heard.push(structuredClone(message)),
    disconnect() {},
    onDisconnect: { addListener() {} },
    onMessage: {
      addListener(listener) {
        listeners.push(listener);
        if (state) queueMicrotask(() => listener({ type: 'state', state }));
      },
    },
  });
  chrome.i18n.getMessage = (key, values) =>
    [values ?? []].flat().reduce((text, value, i) => text.replaceAll(`$${i + 1}`, value), messages[key]?.message ?? '');
  // Chrome has put these into its own language.
  const commands = chrome.commands.getAll.bind(chrome.commands);
  chrome.commands.getAll = async () => (await commands()).map(command => ({
    ...command, description: messages[`command_${command.name?.replaceAll('-', '_')}`]?.message ?? command.description,
  }));
  Object.defineProperty(PermissionStatus.prototype, 'state', { get: () => permission });
}

export interface Look {
  locale?: Locale;
  theme?: 'light' | 'dark';
  width?: number;
  height?: number;
}

/** Opens a screen in a page of its own; the caller closes it. */
export async function openScreen(browser: Browser, extension: string, screen: Screen, { locale = 'en', theme = 'light', width, height }: Look = {}) {
  const page = await browser.context.newPage();
  const popup = screen.page === 'popup.html';
  await page.setViewportSize({ width: width ?? (popup ? 360 : 800), height: height ?? (popup ? 600 : 900) });
  await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
  const state = screen.state();
  const played = { state, messages: words(extension, locale), permission: screen.permission ?? 'granted' } as const;
  await page.addInitScript(playWorker, played);
  await page.goto(browser.extensionUrl(screen.page));
  await page.locator('html[lang]').waitFor();
  await page.locator(popup ? '#status-title' : '#permission-title').filter({ hasText: /./ }).waitFor();
  await screen.after?.(page);
  return page;
}
