// Twilio's own library for servers, the npm package `twilio` as it ships, reads and writes the sandbox's Conversations, and a
// developer's server takes the sandbox's webhooks for Twilio's. No browser.
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import twilio from 'twilio';
import { type Stack, must, until } from '../lib/stack.ts';
import { Chats } from '../lib/chats.ts';
import { expect, test } from '../lib/test.ts';

/** The library, whose every connection leads to the sandbox, as Chromium's do. */
function twilioOf(stack: Stack, secret = stack.account.api_key_secret) {
  const agent = new https.Agent({ keepAlive: true });
  Object.assign(agent, {
    createConnection: ({ servername, host }: tls.ConnectionOptions) =>
      tls.connect({ host: '127.0.0.1', port: stack.tls, servername: servername ?? host, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }),
  });
  const httpClient = new twilio.RequestClient();
  httpClient.axios.defaults.httpsAgent = agent;
  const { api_key_sid: key, account_sid: accountSid } = stack.account;
  return twilio(key, secret, { accountSid, httpClient });
}

/** The account's Conversations service, found as a developer finds it. */
async function serviceOf(stack: Stack) {
  const { v1 } = twilioOf(stack).conversations;
  const { defaultChatServiceSid } = await v1.configuration().fetch();
  return v1.services(defaultChatServiceSid);
}

interface Heard {
  url: string;
  signature: string;
  params: Record<string, string>;
}

/** A developer's server, which answers 200 to all but `/reject`. */
async function developer() {
  const heard: Heard[] = [];
  const server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', chunk => body += chunk).on('end', () => {
      const signature = String(request.headers['x-twilio-signature']);
      heard.push({ url: base + request.url, signature, params: Object.fromEntries(new URLSearchParams(body)) });
      response.writeHead(request.url === '/reject' ? 403 : 200).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { base, heard, stop: () => server.close() };
}

test('Twilio\'s library makes a conversation, pages through its messages while one is removed, and closes it', async ({ stack, switchboard: _clean }) => {
  const service = await serviceOf(stack);
  const made = await service.conversations.create({ friendlyName: 'Grace', uniqueName: 'grace@example.com', attributes: '{"from":"web"}' });
  expect([made.state, made.attributes, made.dateCreated instanceof Date]).toEqual(['active', '{"from":"web"}', true]);
  const conversation = service.conversations(made.sid);
  await conversation.participants.create({ identity: 'grace@example.com' });
  const sms = await conversation.participants.create({ 'messagingBinding.address': '+15550100123', 'messagingBinding.proxyAddress': '+15550100000' });
  expect(sms.messagingBinding).toMatchObject({ type: 'sms', address: '+15550100123', proxy_address: '+15550100000' });
  for (let number = 0; number < 250; number++) {
    await conversation.messages.create({ author: 'grace@example.com', body: String(number) });
  }
  const seen: string[] = [];
  let page: Pick<Awaited<ReturnType<typeof conversation.messages.page>>, 'instances' | 'nextPage'>
    = await conversation.messages.page({ pageSize: 100, order: 'asc' });
  for (;;) {
    seen.push(...page.instances.map(({ body }) => body));
    if (seen.length === 100) {
      // The last that was seen, by which the next page is found, and one that is still to come.
      await must(page.instances.at(-1), 'last message').remove();
      await must((await conversation.messages.list({ order: 'desc', limit: 1 }))[0], 'newest message').remove();
    }
    const next = await page.nextPage();
    if (next == null) break;
    page = next;
  }
  expect(seen).toEqual(Array.from({ length: 249 }, (_, number) => String(number)));
  const kept = await conversation.messages.list();
  expect(kept.map(({ index }) => index)).toEqual(Array.from({ length: 249 }, (_, index) => index).filter(index => index !== 99));
  const found = await service.participantConversations.list({ address: '+15550100123' });
  expect(found.map(({ conversationSid }) => conversationSid)).toEqual([made.sid]);
  await conversation.update({ state: 'closed' });
  expect((await service.conversations('grace@example.com').fetch()).state).toBe('closed');
  await expect(conversation.messages.create({ body: 'too late' })).rejects.toMatchObject({ status: 400, code: 50377 });
});

test('a webhook is taken for Twilio\'s by its own validator, and a pre-webhook rejects a message', async ({ stack, switchboard }) => {
  const service = await serviceOf(stack);
  const { base, heard, stop } = await developer();
  const url = `${base}/service?shop=1`;
  await service.configuration.webhooks().update({ postWebhookUrl: url, filters: ['onMessageAdded', 'onConversationStateUpdated'] });
  const { sid } = await service.conversations.create();
  const conversation = service.conversations(sid);
  await conversation.webhooks.create({ target: 'webhook', 'configuration.url': `${base}/own`, 'configuration.filters': ['onMessageAdded'] });
  await conversation.messages.create({ author: 'grace', body: 'a server\'s own words, of which it does not hear' });
  const sent = await conversation.messages.create({ xTwilioWebhookEnabled: 'true', author: 'grace', body: 'hello à 🐱 & more', attributes: '{"x":1}' });
  await until('both webhooks', () => heard.length === 2);
  expect(heard.map(one => one.url).sort()).toEqual([`${base}/own`, url].sort());
  for (const { url, signature, params } of heard) {
    expect(params).toMatchObject({
      EventType: 'onMessageAdded', Source: 'API', AccountSid: stack.account.account_sid, ConversationSid: sid,
      MessageSid: sent.sid, Author: 'grace', Body: 'hello à 🐱 & more', Attributes: '{"x":1}', Index: '1',
    });
    const { auth_token: token } = stack.account;
    expect(twilio.validateRequest(token, signature, url, params)).toBe(true);
    expect(twilio.validateRequest(token, signature, url, { ...params, Body: 'other' })).toBe(false);
    expect(twilio.validateRequest('another token', signature, url, params)).toBe(false);
  }
  await conversation.update({ xTwilioWebhookEnabled: 'true', state: 'closed' });
  await until('the change of state', () => heard.length === 3);
  expect(heard[2].params).toMatchObject({ EventType: 'onConversationStateUpdated', StateFrom: 'active', StateTo: 'closed', Reason: 'API' });

  await service.configuration.webhooks().update({ preWebhookUrl: `${base}/reject`, filters: ['onMessageAdd'] });
  const other = await service.conversations.create();
  const messages = service.conversations(other.sid).messages;
  await expect(messages.create({ xTwilioWebhookEnabled: 'true', body: 'no' })).rejects.toMatchObject({ status: 403 });
  // A server that is never reached in time lets a message through.
  await switchboard.fault({ kind: 'callback_lose', event: 'onMessageAdd' });
  expect((await messages.create({ xTwilioWebhookEnabled: 'true', body: 'yes' })).body).toBe('yes');
  expect(await messages.list()).toHaveLength(1);
  stop();
});

test('Twilio\'s library finds the open tasks of a conversation, sends a text, and a task goes from hand to hand', async ({ stack, switchboard }) => {
  const client = twilioOf(stack);
  const chats = new Chats(switchboard);
  const chat = await chats.begin();
  const { tasks } = client.taskrouter.v1.workspaces(stack.account.workspace_sid);
  const open = async (sid: string) => (await tasks.list({
    evaluateTaskAttributes: `conversationSid == "${sid}"`, assignmentStatus: ['pending', 'reserved', 'assigned'],
  })).map(task => task.sid);
  const first = must(chat.task_sid, 'task');
  expect(await open(chat.conversation_sid)).toEqual([first]);
  expect(await open(`CH${'0'.repeat(32)}`)).toEqual([]);
  await tasks(first).reservations(must(chat.reservation_sid, 'reservation')).update({ reservationStatus: 'accepted' });
  const second = must((await chats.transfer(chat.conversation_sid, 'colleague')).task_sid, 'task');
  expect((await tasks(first).fetch()).assignmentStatus).toBe('wrapping');
  expect(await open(chat.conversation_sid)).toEqual([second]);
  const third = must((await chats.transfer(chat.conversation_sid, 'agent')).task_sid, 'task');
  await switchboard.cancelTask(third);
  expect((await tasks(third).fetch()).assignmentStatus).toBe('canceled');
  expect(await open(chat.conversation_sid)).toEqual([]);

  const { call_centre_number: from } = stack.account;
  const { sid, status } = await client.messages.create({ from, to: '+15550100', body: 'Come & see' });
  expect(status).toBe('queued');
  expect(await switchboard.texts()).toEqual([{ sid, from, to: '+15550100', body: 'Come & see' }]);
  await expect(client.messages.create({ from, to: 'anonymous', body: 'x' })).rejects.toMatchObject({ status: 400, code: 21211 });
});

test('Twilio\'s library throws what Twilio refuses', async ({ stack, switchboard: _clean }) => {
  const service = await serviceOf(stack);
  const wrong = twilioOf(stack, 'not the secret').conversations.v1;
  await expect(wrong.conversations.list()).rejects.toMatchObject({ status: 401, code: 20003 });
  await expect(service.conversations(`CH${'0'.repeat(32)}`).fetch()).rejects.toMatchObject({ status: 404, code: 20404 });
  const { sid } = await service.conversations.create();
  const participants = service.conversations(sid).participants;
  await participants.create({ identity: 'ada' });
  await expect(participants.create({ identity: 'ada' })).rejects.toMatchObject({ status: 409, code: 50433 });
});
