// What the code that tests run inside pages finds there.

/** Chrome's API in the extension's own pages. */
declare var chrome: any;
/** Flex UI in its page. */
declare var Twilio: any;

interface Window {
  /** What `lib/flex.ts` notes in Flex's page. */
  __seen: import('./lib/flex.ts').Seen;
  /** What `lib/probe.ts` hears from the extension. */
  __in: import('./generated/protocol.d.ts').ToPage[];
  /** What a test leaves in a page and finds there again. */
  [mark: `__${string}`]: any;
  /** What `axe-core` leaves. */
  axe: any;
  /** What no markup of a stranger may set. */
  hacked?: unknown;
  /** The worker that `lib/screens.ts` plays. */
  played: { heard: import('./generated/protocol.d.ts').FromPopup[]; tell(message: import('./generated/protocol.d.ts').ToPopup): void };
}
