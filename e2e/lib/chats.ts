// Customers who write, as the switchboard makes them, and Flex's chat as an agent uses it.
import type { Locator, Page } from 'playwright-core';
import { type Switchboard, until } from './stack.ts';

export type ChannelType = 'web' | 'sms' | 'whatsapp';

/** Who writes, and what becomes of it (sandbox/src/chats/routes.rs). What is left out has a value that does. */
export interface ChatRequest {
  channel?: ChannelType;
  /** An identity, or a number; absent: somebody new. */
  from?: string;
  name?: string;
  /** What the customer writes first; empty: nothing. */
  text?: string;
  worker?: 'agent' | 'colleague';
  long_lived?: boolean;
  /** More attributes of the task; null removes one. */
  attributes?: object;
  /** False: no task is made. */
  task?: boolean;
  /** How long ago what was before ended. */
  minutes_ago?: number;
  days_ago?: number;
  attribute?: 'sourceConversationSid' | 'sourceChatChannelSid';
  /** How many messages with the bot, or conversations with agents. */
  count?: number;
  /** How many conversations with agents there were before that with the bot. */
  earlier?: number;
}

/** A conversation that a customer has begun, and the task that is made of it. */
export interface ChatBegun {
  conversation_sid: string;
  address: string;
  name: string;
  source_conversation_sid: string | null;
  task_sid: string | null;
  reservation_sid: string | null;
}

export interface ChatMessage {
  sid: string;
  index: number;
  author: string;
  name: string;
  side: 'customer' | 'agent' | 'other';
  body: string | null;
  /** JSON. */
  attributes: string;
  media: { sid: string; filename: string | null; content_type: string; size: number }[];
  at: string;
}

/** A conversation as its customer sees it. */
export interface Chat {
  conversation_sid: string;
  state: 'active' | 'inactive' | 'closed';
  channel: ChannelType | null;
  address: string | null;
  name: string | null;
  /** The customer is a participant. */
  present: boolean;
  participants: { sid: string; identity: string | null; address: string | null; last_read_message_index: number | null }[];
  messages_count: number;
  messages: ChatMessage[];
}

export type Said = { text: string } | { kind: 'picture' | 'document' | 'location' | 'contact' | 'nothing' };

/** The customers who write, by the switchboard's REST interface. */
export class Chats {
  readonly switchboard: Switchboard;

  constructor(switchboard: Switchboard) {
    this.switchboard = switchboard;
  }

  all = () => this.switchboard.request<Chat[]>('GET', '/api/chats');
  get = (sid: string) => this.switchboard.request<Chat>('GET', `/api/chats/${sid}`);
  /** A customer writes to the call centre: a conversation and a chat task. */
  begin = (request: ChatRequest = {}) => this.switchboard.request<ChatBegun>('POST', '/api/chats', request);
  /** A customer chats with the bot, then asks for a person. */
  bot = (request: ChatRequest = {}) => this.switchboard.request<ChatBegun>('POST', '/api/chats/bot', request);
  /** A customer has had conversations with agents on other days, which are closed; newest first. */
  earlier = (request: ChatRequest = {}) => this.switchboard.request<{ address: string; conversations: string[] }>('POST', '/api/chats/earlier', request);
  /** A very long conversation with a bot, and no task. */
  long = (request: ChatRequest = {}) => this.switchboard.request<{ address: string; conversation_sid: string }>('POST', '/api/chats/long', request);
  say = (sid: string, said: Said) => this.switchboard.request<{ message_sid: string; index: number }>('POST', `/api/chats/${sid}/messages`, said);
  type = (sid: string) => this.switchboard.request('POST', `/api/chats/${sid}/typing`);
  read = (sid: string) => this.switchboard.request('POST', `/api/chats/${sid}/read`);
  leave = (sid: string) => this.switchboard.request('POST', `/api/chats/${sid}/leave`);
  /** Into the same conversation while it is open, else into a new one; a task either way. */
  comeBack = (sid: string, request: ChatRequest = {}) => this.switchboard.request<ChatBegun>('POST', `/api/chats/${sid}/return`, request);
  /** Another task on the same conversation. */
  another = (sid: string, request: ChatRequest = {}) => this.switchboard.request<ChatBegun>('POST', `/api/chats/${sid}/task`, request);
  /** Somebody else goes on: a task of their own, and the one that is open is wrapped up. */
  transfer = (sid: string, worker: 'agent' | 'colleague') => this.switchboard.request<ChatBegun>('POST', `/api/chats/${sid}/transfer`, { worker });
  /** Deletes the conversation for good. */
  remove = (sid: string) => this.switchboard.request('DELETE', `/api/chats/${sid}`);

  /** Waits until the customer has this message of the agent's. */
  hears = (sid: string, text: string) => until(`the customer to read “${text}”`, async () =>
    (await this.get(sid)).messages.some(message => message.side === 'agent' && message.body === text));

  /** Whether the agent is a participant. */
  async hasAgent(sid: string) {
    const { participants } = await this.get(sid);
    return participants.some(({ identity }) => identity === this.switchboard.stack.account.agent_identity);
  }
}

/** Flex's own chat canvas. */
export class ChatCanvas {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** A message of the conversation that is shown. */
  message = (text: string): Locator => this.page.locator('.Twilio-MessageBubble-Body, [data-testid="message-body"]').filter({ hasText: text }).first();

  get input() {
    return this.page.locator('.Twilio-TaskCanvas textarea').first();
  }

  /** Writes as an agent does. */
  async write(text: string) {
    await this.input.click({ timeout: 15_000 });
    await this.page.keyboard.type(text);
    await this.page.keyboard.press('Enter');
    await this.message(text).waitFor();
  }

  /** Selects the task of the customer with this name. */
  select = (name: string) => this.page.locator('.Twilio-TaskListBaseItem').filter({ hasText: name }).first().click();

  /** Ends the chat: after-call work begins. */
  end = () => this.page.locator('.Twilio-TaskCanvasHeader-EndButton').filter({ hasText: 'End' }).click({ timeout: 15_000 });

  /** The after-call work is done. */
  complete = () => this.page.locator('.Twilio-TaskCanvasHeader-EndButton').filter({ hasText: 'Complete' }).click({ timeout: 15_000 });
}
