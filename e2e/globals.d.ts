// What the code that tests run inside pages finds there. TypeScript takes it on trust: a page is another program.

/** A port of the extension; what goes over it is the test's to say, true to the contract or not. */
interface ExtensionPort<Heard = import('./generated/protocol.d.ts').ToPopup> {
  name?: string;
  postMessage(message: unknown): void;
  disconnect(): void;
  onMessage: { addListener(listener: (message: Heard) => void): void };
  onDisconnect: { addListener(listener: () => void): void };
}

interface ExtensionCommand {
  name?: string;
  description?: string;
}

/** Chrome's API in the extension's own pages and in Chrome's, as far as tests use it. */
declare var chrome: {
  runtime: {
    id: string;
    connect(info: { name: string }): ExtensionPort;
    getManifest(): { version: string };
    reload(): void;
    requestUpdateCheck(): Promise<{ status: string }>;
  };
  commands: { getAll(): Promise<ExtensionCommand[]> };
  i18n: { getMessage(key: string, values?: string | string[]): string };
  notifications: { getAll(): Promise<Record<string, boolean>> };
  storage: Record<'local' | 'session' | 'sync', { get(keys: string[] | null): Promise<Record<string, unknown>> }>;
  management: { setEnabled(id: string, enabled: boolean): Promise<void> };
  developerPrivate: {
    updateExtensionConfiguration(change: { extensionId: string; incognitoAccess: boolean }): Promise<void>;
    getExtensionInfo(id: string): Promise<{ incognitoAccess: unknown }>;
  };
};

interface FlexTask {
  sid: string;
  taskSid: string;
  status: string;
  conference?: { participants?: { participantType: string; onHold: boolean }[] };
}

interface FlexState {
  worker: {
    activity: { name: string };
    attributes: { contact_uri?: string; skills?: string[] } & Record<string, unknown>;
    tasks: Map<string, FlexTask>;
  };
  phone: {
    activeCall?: { parameters?: { CallSid?: string }; isMuted(): boolean; disconnect(): void; sendDigits(digits: string): void };
    listener?: { isMicrophoneSet?: boolean };
  };
  supervisor: { workers: { tasks: FlexTask[] }[]; callMonitoring: { status: number } };
}

/** Flex UI in its page; in the extension's offscreen document, the Voice SDK; in a page of `lib/chat.ts`, the Conversations SDK. */
declare var Twilio: {
  Flex: {
    VERSION?: string;
    Actions: { invokeAction(name: string, payload?: unknown): Promise<unknown> };
    Manager: {
      getInstance(): {
        store: { getState(): { flex: FlexState }; subscribe(listener: () => void): void };
        localization?: { localeTag?: string };
        updateConfig(config: { theme: { isLight: boolean } }): void;
      };
    };
  };
  Conversations: { Client: typeof import('@twilio/conversations').Client };
  Call: unknown;
  Device: { version: string; prototype: Record<string, unknown> };
};

// What a test leaves in a page and finds there again.
/** What `lib/flex.ts` notes in Flex's page. */
declare var __seen: import('./lib/flex.ts').Seen;
/** To a test that wants what the plugin says also from a page that is about to go. */
declare var __tell: ((said: import('./lib/flex.ts').Said) => void) | undefined;
/** What `lib/probe.ts` hears from the extension; `Overheard`, because a message need not be what its type says. */
declare var __in: Overheard[];
interface Overheard { type: string; payload?: import('./lib/probe.ts').Payload }
/** The client of `lib/chat.ts`, and what it told. */
declare var __chat: import('@twilio/conversations').Client;
declare var __told: import('./lib/chat.ts').ChatEvent[];
declare var __port: ExtensionPort;
declare var __heard: { name: string; keys: string[] }[];
declare var __hears: true;
declare var __levels: import('./generated/protocol.d.ts').ToPopup[];
declare var __now: () => number;
declare var __service: { asked: number; delay: number; status: number; body: string };
declare var __asked: unknown[];
declare var __busy: string | null;
declare var __opened: number;
declare var __tracks: MediaStreamTrack[];
declare var __tones: { sink: string; seconds: number; volume: number }[];
declare var __dead: WebSocket;
declare var __blocked: string[];
declare var __over: Record<string, { type: string }[]>;
declare var __ports: Record<string, MessagePort>;
declare var __overheard: { type: string; ports: number }[];
declare var __persisted: boolean;
declare var __printed: string;
declare var __ran: unknown;
declare var __gone: boolean;
declare var __beat: ReturnType<typeof setInterval>;
declare var __old: boolean;
declare var __neverReloaded: boolean;
/** What `lib/video.ts` keeps: the room that a page is in, what the SDK said, and a data track. */
declare var __room: import('twilio-video').Room;
declare var __said: import('./lib/video.ts').Said[] | undefined;
declare var __data: import('twilio-video').LocalDataTrack;
/** What `lib/video-call.ts` keeps: every track that a capture gave out, and when a picture of somebody else was drawn. */
declare var __captured: MediaStreamTrack[];
declare var __drawn: number[];
declare var __watched: { lostAt: number | null };
/** What `tests/join-page.spec.ts` keeps: how many captures the browser is asked for, and the locks that keep the screen awake. */
declare var __opening: number;
declare var __awake: { released: boolean }[];

interface Window {
  /** What `axe-core` leaves. */
  axe: { run(root: Document, options: { runOnly: string[] }): Promise<{ violations: { id: string; nodes: { target: string[]; any: { message?: string }[] }[] }[] }> };
  /** What no markup of a stranger may set. */
  hacked?: unknown;
  /** The worker that `lib/screens.ts` plays. */
  played: { heard: unknown[]; tell(message: import('./generated/protocol.d.ts').ToPopup): void };
}
