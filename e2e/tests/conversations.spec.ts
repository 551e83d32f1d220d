// The sandbox's Conversations, as the real SDK finds it: two people in two pages.
import { ChatPage, chatToken, sayAsServer } from '../lib/chat.ts';
import { until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

const range = (end: number) => Array.from({ length: end }, (_, index) => index);

test('two clients of the real Conversations SDK chat: join, send, edit, remove, read, type, files, and pages without a gap', async ({ driven, stack }) => {
  const open = async (identity: string) => {
    const page = await ChatPage.open(driven.context, identity, chatToken(stack, identity));
    await until(`${identity} to be ready`, async () => (await page.heardOf('initialized')).length === 1);
    return page;
  };
  const [ada, ben] = await Promise.all([open('ada'), open('ben')]);

  const sid = await ada.page.evaluate(async () => {
    const made = await __chat.createConversation({ uniqueName: 'order-7', friendlyName: 'Order 7', attributes: { lang: 'en' } });
    await made.join();
    await made.sendMessage('before you came');
    await made.add('ben');
    return made.sid;
  });
  await until('Ben to be in', async () => (await ben.heardOf('conversationJoined')).includes(sid));
  // What was said and is said while he subscribes, each once.
  await ada.say(sid, 'while you come');
  await until('Ben to hear it', async () => (await ben.heardOf('messageAdded')).includes('while you come'));
  expect(await ben.page.evaluate(async () => {
    const one = await __chat.getConversationByUniqueName('order-7');
    const [me] = (await one.getParticipants()).filter(({ identity }) => identity === 'ben');
    return {
      name: one.friendlyName, attributes: one.attributes, status: one.status, state: one.state?.current, by: one.createdBy,
      unread: await one.getUnreadMessagesCount(), count: await one.getMessagesCount(), people: await one.getParticipantsCount(), type: me.type,
    };
  })).toEqual({ name: 'Order 7', attributes: { lang: 'en' }, status: 'joined', state: 'active', by: 'ada', unread: null, count: 2, people: 2, type: 'chat' });
  await expect(ada.page.evaluate(() => __chat.createConversation({ uniqueName: 'order-7' }))).rejects.toThrow('Conflict');

  await ben.page.evaluate(async sid => {
    const one = await __chat.getConversationBySid(sid);
    await one.typing();
    await one.setAllMessagesRead();
    await one.sendMessage('wrod');
    await one.sendMessage('oops');
  }, sid);
  // The SDK reads from what it was told so far.
  await until('Ben to hear himself', async () => (await ben.heardOf('messageAdded')).includes('oops'));
  await ben.page.evaluate(async sid => {
    const one = await __chat.getConversationBySid(sid);
    const { items: [typo, oops] } = await one.getMessages(2);
    await typo.updateBody('word');
    await oops.remove();
  }, sid);
  await until('Ada to see Ben type', async () => (await ada.heardOf('typingStarted')).includes('ben'));
  await until('Ada to see how far Ben has read', async () => (await ada.heardOf('participantRead')).includes('ben 1'));
  await until('Ada to see the word mended', async () => (await ada.heardOf('messageUpdated')).includes('word'));
  await until('Ada to see what was taken back', async () => (await ada.heardOf('messageRemoved')).includes('3'));
  await until('Ada to have heard it all', async () => (await ada.heardOf('messageAdded')).includes('oops'));
  await expect(ada.page.evaluate(async sid => {
    const { items } = await (await __chat.getConversationBySid(sid)).getMessages(1);
    await items[0].updateBody('not mine');
  }, sid)).rejects.toThrow('Forbidden');

  await ada.page.evaluate(async sid => {
    const one = await __chat.getConversationBySid(sid);
    const media = new Blob(['a picture'], { type: 'image/png' });
    await one.prepareMessage().setBody('look').addMedia({ contentType: 'image/png', filename: 'cat.png', media }).build().send();
  }, sid);
  await until('Ben to hear of the picture', async () => (await ben.heardOf('messageAdded')).includes('look'));
  expect(await ben.page.evaluate(async sid => {
    const { items: [{ index, attachedMedia }] } = await (await __chat.getConversationBySid(sid)).getMessages(1);
    const [file] = attachedMedia ?? [];
    const url = await file.getContentTemporaryUrl();
    const read = await fetch(url ?? '');
    const stranger = await fetch((url ?? '').replace(/.$/, end => (end === '0' ? '1' : '0')));
    return { index, name: file.filename, size: file.size, type: read.headers.get('content-type'), text: await read.text(), stranger: stranger.status };
  }, sid)).toEqual({ index: 4, name: 'cat.png', size: 9, type: 'image/png', text: 'a picture', stranger: 403 });

  for (const index of range(16)) await ben.say(sid, `m${index}`);
  for (const one of [ada, ben]) await until('all to be heard', async () => (await one.heardOf('messageAdded')).includes('m15'));
  const places = range(21).filter(index => index !== 3).toReversed();
  expect((await ada.messages(sid)).map(([index]) => index)).toEqual(places);
  expect((await ben.messages(sid)).slice(-3)).toEqual([[2, 'word'], [1, 'while you come'], [0, 'before you came']]);

  await ada.page.evaluate(async sid => (await __chat.getConversationBySid(sid)).removeParticipant('ben'), sid);
  await until('Ben to be out', async () => (await ben.heardOf('conversationLeft')).includes(sid));
  await expect(ben.page.evaluate(sid => __chat.peekConversationBySid(sid), sid)).rejects.toThrow('Forbidden');
});

test('a client of the real Conversations SDK whose socket breaks off, or is sent elsewhere, loses nothing that was said meanwhile', async ({ driven, stack, switchboard }) => {
  const open = (identity: string) => ChatPage.open(driven.context, identity, chatToken(stack, identity));
  const [ada, ben] = await Promise.all([open('ada'), open('ben')]);
  const sid = await ada.page.evaluate(async () => {
    const made = await __chat.createConversation({});
    await made.join();
    await made.add('ben');
    return made.sid;
  });
  await until('Ben to be in', async () => (await ben.heardOf('conversationJoined')).includes(sid));
  await ada.say(sid, 'first');
  await until('Ben to hear the first', async () => (await ben.heardOf('messageAdded')).includes('first'));
  for (const kind of ['twilsock_drop', 'twilsock_offload']) {
    const before = (await ben.heardOf('connection')).length;
    await switchboard.fault({ kind });
    // A client that was cut off tries again after a second or so.
    await sayAsServer(stack, sid, kind);
    await until('Ben to be connected again', async () => (await ben.heardOf('connection')).slice(before).at(-1) === 'connected', { timeout: 30_000 });
    await until('Ben to hear it', async () => (await ben.heardOf('messageAdded')).includes(kind), { timeout: 30_000 });
  }
  await until('Ada to be connected again', async () => (await ada.heardOf('connection')).at(-1) === 'connected', { timeout: 30_000 });
  await ada.say(sid, 'last');
  await until('Ben to hear the last', async () => (await ben.heardOf('messageAdded')).includes('last'));
  expect((await ben.messages(sid)).map(([, text]) => text)).toEqual(['last', 'twilsock_offload', 'twilsock_drop', 'first']);
  expect(await ben.heardOf('messageAdded')).toEqual(['first', 'twilsock_drop', 'twilsock_offload', 'last']);
});

test('the real Conversations SDK is told when its token ends, goes on with a newer one, and is refused without a good one', async ({ driven, stack, switchboard }) => {
  const short = await ChatPage.open(driven.context, 'ada', chatToken(stack, 'ada', { seconds: 12 }));
  await until('the token to be about to expire', async () => (await short.heardOf('tokenAboutToExpire')).length === 1, { timeout: 20_000 });
  await short.page.evaluate(token => __chat.updateToken(token), chatToken(stack, 'ada', { seconds: 8 }));
  await until('the newer token to be about to expire', async () => (await short.heardOf('tokenAboutToExpire')).length === 2, { timeout: 20_000 });
  expect(await short.heardOf('tokenExpired')).toEqual([]);
  await until('the newer token to have expired', async () => (await short.heardOf('tokenExpired')).length >= 1, { timeout: 20_000 });
  await until('the client to be out', async () => (await short.heardOf('connection')).at(-1) !== 'connected', { timeout: 20_000 });

  for (const [token, why] of [
    [chatToken(stack, 'ben', { service: `IS${'0'.repeat(32)}` }), '403 51130'],
    [chatToken(stack, 'ben', { seconds: 0 }), '401 51207'],
  ]) {
    const refused = await ChatPage.open(driven.context, 'ben', token);
    await until(`the client to be refused with ${why}`, async () => (await refused.heardOf('refused'))[0] === why);
    expect((await refused.heardOf('connection')).at(-1)).toBe('denied');
  }

  const ada = await ChatPage.open(driven.context, 'ada', chatToken(stack, 'ada'));
  const sid = await ada.page.evaluate(async () => (await (await __chat.createConversation({})).join()).sid);
  await switchboard.fault({ kind: 'conversation_fails', conversation: sid, status: 503 });
  await expect(ada.say(sid, 'hello')).rejects.toThrow('Service Unavailable');
  await switchboard.clearFaults();
  expect(await ada.say(sid, 'hello')).toBe(0);
});
