// A page that is a client of Conversations: the real SDK, unmodified, with a token of the sandbox's account.
import { createHmac, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import type { BrowserContext, Page } from 'playwright-core';
import type { Stack } from './stack.ts';

/** The Conversations service of the sandbox's account. */
export const SERVICE_SID = `IS${'5a'.repeat(16)}`;

const SDK = createRequire(import.meta.url).resolve('@twilio/conversations/builds/twilio-conversations.min.js');
/** Any answer of the sandbox is page enough. One that Playwright makes up is not: Chromium lets it reach nothing on this computer. */
const ANY_PAGE = 'https://flex.twilio.com/sandbox/chat';

const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** An AccessToken with a chat grant, as a web chat's server would mint it. */
export function chatToken(stack: Stack, identity: string, { seconds = 3600, service = SERVICE_SID }: { seconds?: number; service?: string } = {}) {
  const { account_sid: sub, api_key_sid: iss, api_key_secret: secret } = stack.account;
  const iat = Math.floor(Date.now() / 1000);
  const claims = { jti: `${iss}-${randomUUID()}`, iss, sub, iat, exp: iat + seconds, grants: { identity, chat: { service_sid: service } } };
  const signed = `${base64({ alg: 'HS256', typ: 'JWT', cty: 'twilio-fpa;v=1' })}.${base64(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** Says something by REST, as a server would. */
export async function sayAsServer(stack: Stack, conversation: string, text: string) {
  const { api_key_sid: key, api_key_secret: secret } = stack.account;
  const response = await fetch(`http://127.0.0.1:${stack.http}/conversations/v1/Services/${SERVICE_SID}/Conversations/${conversation}/Messages`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${key}:${secret}`).toString('base64')}` },
    body: new URLSearchParams({ Author: 'server', Body: text }),
  });
  if (response.status !== 201) throw new Error(`a message by REST: ${response.status} ${await response.text()}`);
}

/** One line for each event of the SDK: its name, and what it is about. */
export type ChatEvent = [name: string, about: string];

/** One client, in a page of its own. */
export class ChatPage {
  readonly page: Page;
  readonly identity: string;

  private constructor(page: Page, identity: string) {
    this.page = page;
    this.identity = identity;
  }

  /** Opens a page in which `__chat` is the SDK's client and `__told` what it told. Whether it becomes ready is for the caller to see. */
  static async open(context: BrowserContext, identity: string, token: string) {
    const page = await context.newPage();
    await page.goto(ANY_PAGE);
    await page.addScriptTag({ path: SDK });
    await page.evaluate(token => {
      const heard: ChatEvent[] = globalThis.__told = [];
      const chat = globalThis.__chat = new Twilio.Conversations.Client(token);
      chat.on('initialized', () => heard.push(['initialized', '']));
      // The SDK says more than its types do.
      chat.on('connectionError', (error: { terminal: boolean; httpStatusCode?: number | null; errorCode?: number | null }) =>
        heard.push(['refused', `${error.httpStatusCode} ${error.errorCode}`]));
      chat.on('connectionStateChanged', state => heard.push(['connection', state]));
      chat.on('tokenAboutToExpire', () => heard.push(['tokenAboutToExpire', '']));
      chat.on('tokenExpired', () => heard.push(['tokenExpired', '']));
      chat.on('conversationJoined', conversation => heard.push(['conversationJoined', conversation.sid]));
      chat.on('conversationLeft', conversation => heard.push(['conversationLeft', conversation.sid]));
      chat.on('messageAdded', message => heard.push(['messageAdded', message.body ?? '']));
      chat.on('messageUpdated', ({ message }) => heard.push(['messageUpdated', message.body ?? '']));
      chat.on('messageRemoved', message => heard.push(['messageRemoved', String(message.index)]));
      chat.on('typingStarted', participant => heard.push(['typingStarted', participant.identity ?? '']));
      chat.on('participantUpdated', ({ participant }) =>
        heard.push(['participantRead', `${participant.identity} ${participant.lastReadMessageIndex}`]));
    }, token);
    return new ChatPage(page, identity);
  }

  /** What the SDK told so far. */
  heard = (): Promise<ChatEvent[]> => this.page.evaluate(() => __told);

  /** Of one kind. */
  heardOf = async (name: string) => (await this.heard()).filter(([heard]) => heard === name).map(([, about]) => about);

  /** Says something in a conversation, and answers its place. */
  say = (conversation: string, text: string) => this.page.evaluate(async ([sid, text]) =>
    (await __chat.getConversationBySid(sid)).sendMessage(text), [conversation, text] as const);

  /** Every message of a conversation, a page of seven after the other, the newest first: its place and its words. */
  messages = (conversation: string) => this.page.evaluate(async sid => {
    const all: [number, string | null][] = [];
    let page = await (await __chat.getConversationBySid(sid)).getMessages(7);
    for (;;) {
      all.push(...page.items.toReversed().map(({ index, body }): [number, string | null] => [index, body]));
      if (!page.hasPrevPage) return all;
      page = await page.prevPage();
    }
  }, conversation);
}
