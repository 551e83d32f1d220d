// Chat tasks in the real Flex UI: the customers are the switchboard's, everything else is Flex's own.
import { ChatCanvas, Chats } from '../lib/chats.ts';
import { FlexPage } from '../lib/flex.ts';
import { must, until } from '../lib/stack.ts';
import { expect, inEachFlexUi, test } from '../lib/test.ts';

/** What Flex complains of when a chat cannot be drawn. */
const COMPLAINT = /Failed to (load|fetch)|Could not fetch participants|Cannot retrieve conversation/;

inEachFlexUi(() => {
  test('a chat is accepted, both write, F5 keeps it, it is wrapped up and completed, and the conversation is closed', async ({ driven, switchboard }) => {
    await switchboard.setActivity('Available');
    const chats = new Chats(switchboard);
    const flex = await FlexPage.open(driven.context);
    const canvas = new ChatCanvas(flex.page);
    const complaints: string[] = [];
    flex.page.on('console', line => { if (COMPLAINT.test(line.text())) complaints.push(line.text()); });
    const task = async () => (await flex.store()).tasks[0];

    const chat = await chats.begin({ channel: 'sms', name: 'Cleo Customer', text: 'Where is my parcel?' });
    await flex.accept();
    await canvas.message('Where is my parcel?').waitFor();
    expect(await chats.hasAgent(chat.conversation_sid)).toBe(true);
    await canvas.write('I look it up for you.');
    await chats.hears(chat.conversation_sid, 'I look it up for you.');
    await chats.say(chat.conversation_sid, { text: 'Thank you 😀' });
    await canvas.message('Thank you 😀').waitFor();
    await chats.say(chat.conversation_sid, { kind: 'picture' });
    await chats.say(chat.conversation_sid, { kind: 'location' });
    await flex.picture(`flex-chat-${await flex.version()}`);

    await flex.refresh();
    await flex.select();
    await canvas.message('I look it up for you.').waitFor();
    await canvas.write('It comes tomorrow.');
    await chats.hears(chat.conversation_sid, 'It comes tomorrow.');

    await canvas.end();
    await until('the task to be wrapping', async () => (await task())?.status === 'wrapping');
    expect(await chats.hasAgent(chat.conversation_sid)).toBe(true);
    await canvas.complete();
    await until('the task to be gone from Flex', async () => (await flex.store()).tasks.length === 0);
    const after = await chats.get(chat.conversation_sid);
    expect(after.state).toBe('closed');
    expect(await chats.hasAgent(chat.conversation_sid)).toBe(false);
    expect(complaints).toEqual([]);
    expect(flex.errors).toEqual([]);
  });
});

test('two chats at a time beside a call; one is declined; a customer leaves before somebody has accepted; the same long-lived conversation twice', { tag: '@long' }, async ({ driven, switchboard }) => {
  await switchboard.setActivity('Available');
  const chats = new Chats(switchboard);
  const flex = await FlexPage.open(driven.context);
  const canvas = new ChatCanvas(flex.page);
  const statuses = async () => (await flex.store()).tasks.map(({ status }) => status).sort();

  // Two at a time, each with its own conversation.
  const first = await chats.begin({ name: 'Anna', text: 'I am Anna.' });
  await flex.accept();
  await canvas.message('I am Anna.').waitFor();
  const second = await chats.begin({ channel: 'whatsapp', name: 'Bert', text: 'I am Bert.' });
  await flex.accept();
  await until('both to be accepted', async () => (await statuses()).join() === 'accepted,accepted');
  await canvas.select('Bert');
  await canvas.message('I am Bert.').waitFor();
  await canvas.write('Hello Bert.');
  await canvas.select('Anna');
  await canvas.message('I am Anna.').waitFor();
  await canvas.write('Hello Anna.');
  await chats.hears(first.conversation_sid, 'Hello Anna.');
  await chats.hears(second.conversation_sid, 'Hello Bert.');
  expect((await chats.get(first.conversation_sid)).messages.some(({ body }) => body === 'Hello Bert.')).toBe(false);

  // A third waits, and a call does not.
  const third = await chats.begin({ name: 'Carl', text: 'I am Carl.' });
  expect(third.reservation_sid).toBeNull();
  await switchboard.task('+15550177');
  await flex.accept();
  await flex.waitLive();
  await flex.picture('flex-two-chats-and-a-call');
  await flex.hangUp();
  await canvas.complete();
  await until('the call to be over', async () => (await statuses()).join() === 'accepted,accepted');

  // The third leaves before anybody has accepted.
  await chats.leave(third.conversation_sid);
  expect((await switchboard.state()).tasks).toHaveLength(2);
  for (const name of ['Anna', 'Bert']) {
    await canvas.select(name);
    await canvas.end();
    await canvas.complete();
  }
  await until('both to be over', async () => (await statuses()).length === 0);

  // Declined: it is offered no more until the agent next chooses an activity.
  const declined = await chats.begin({ name: 'Dora', text: 'I am Dora.' });
  await flex.page.locator('.Twilio-TaskButton-Reject').first().click({ timeout: 15_000 });
  await until('it to be declined', async () => (await statuses()).length === 0);
  await chats.leave(declined.conversation_sid);

  // A second task on a long-lived conversation, while the first is being wrapped up.
  const long = await chats.begin({ channel: 'whatsapp', name: 'Emil', text: 'I am Emil.', long_lived: true });
  await flex.accept();
  await canvas.message('I am Emil.').waitFor();
  await canvas.end();
  await until('it to be wrapping', async () => (await statuses()).join() === 'wrapping');
  await chats.say(long.conversation_sid, { text: 'One more thing.' });
  const again = await chats.another(long.conversation_sid, { long_lived: true });
  expect(again.conversation_sid).toBe(long.conversation_sid);
  await flex.accept();
  await until('the second to be accepted', async () => (await statuses()).join() === 'accepted,wrapping');
  const oldest = must((await switchboard.state()).tasks.find(({ task_sid }) => task_sid === long.task_sid), 'first task');
  // The plugin stops it once and says why (flex-history.spec.ts); who insists goes on.
  expect(await flex.invoke('CompleteTask', { sid: oldest.reservation_sid })).toContain('cancelled');
  expect(await flex.invoke('CompleteTask', { sid: oldest.reservation_sid })).toBeNull();
  await until('the first to be over', async () => (await statuses()).join() === 'accepted');
  // That is what hurts: the agent of the second is in the conversation no more.
  const after = await chats.get(long.conversation_sid);
  expect(after.state).toBe('active');
  expect(await chats.hasAgent(long.conversation_sid)).toBe(false);
});
