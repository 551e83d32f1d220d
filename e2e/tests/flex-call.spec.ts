// A call in the real Flex UI with the real extension: Flex's own buttons, and F5 at every stage.
import type { Browser } from '../lib/browser.ts';
import { FlexPage } from '../lib/flex.ts';
import { audioGoesOn } from '../lib/probe.ts';
import { type Switchboard, must, until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

/** The page may show the live call this much later than Flex itself is there (`recovered_ms` less Flex's own boot, in the same load). */
const BEHIND_FLEX_MS = 1_000;

/** An agent who is available in a Flex tab whose voice client is registered. */
async function available(driven: Browser, switchboard: Switchboard) {
  await switchboard.setActivity('Available');
  const flex = await FlexPage.open(driven.context);
  await until('contact_uri to be the extension\'s', async () => (await flex.store()).contactUri?.startsWith('client:ext_'));
  await flex.untilActivity('Available');
  await expect(flex.status).toHaveText(/Voice: ready/);
  return flex;
}

const answered = (switchboard: Switchboard) => until('the extension to answer', async () => (await switchboard.calls()).find(one => one.state === 'answered')?.call_sid);

/** A customer's call that the agent has accepted. */
async function onCall(flex: FlexPage, switchboard: Switchboard) {
  await switchboard.task();
  await flex.accept();
  const sid = await answered(switchboard);
  await flex.waitLive();
  return sid;
}

const ended = (switchboard: Switchboard, sid: string) => until('the call to end', async () => {
  const call = await switchboard.getCall(sid);
  return call.state === 'ended' && call;
});

test('boot, accept, mute, keypad, hold, hang up, wrap up and complete, all with Flex\'s own buttons', async ({ driven, switchboard }) => {
  const flex = await available(driven, switchboard);
  await flex.picture('flex-ready');
  await switchboard.task();
  await flex.page.locator('.Twilio-TaskButton-Accept').first().waitFor();
  // What was said while the voice client came up would cover the buttons of the call.
  await expect(flex.page.getByTestId('notification-message')).toHaveCount(0);
  await flex.picture('flex-ringing');
  await flex.accept();
  const sid = await answered(switchboard);
  await flex.waitLive();
  await expect(flex.status).toHaveText(/Voice: on a call/);
  expect((await flex.store()).callSid).toBe(sid);
  expect(await flex.joinCall().count()).toBe(0);

  await flex.toggleMute();
  await until('the extension to be muted', async () => (await flex.beat()).call?.muted === true);
  await expect(flex.status).toHaveText(/on a call, muted/);
  await flex.picture('flex-muted');
  await flex.toggleMute();
  await until('the extension to be unmuted', async () => (await flex.beat()).call?.muted === false);

  await flex.dial('429');
  await until('the customer to hear 429', async () => (await switchboard.getCall(sid)).dtmf === '429');

  await flex.toggleHold();
  await until('Flex to hold the customer', flex.held);
  await until('the extension to know of it', async () => (await flex.beat()).call?.onHold === true);
  await flex.picture('flex-on-hold');
  await flex.toggleHold();
  await until('the extension to know that it is over', async () => (await flex.beat()).call?.onHold === false);

  await flex.hangUp();
  expect((await ended(switchboard, sid)).ended_by).toBe('agent');
  await until('Flex to have no call', async () => (await flex.store()).callSid === null);
  await until('the task to be wrapping', async () => (await flex.store()).tasks[0]?.status === 'wrapping');
  await flex.picture('flex-wrapping');
  await flex.complete();
  await expect(flex.status).toHaveText(/Voice: ready/);
});

test('F5 while it rings, while accepting, live, muted, on hold and wrapping: Flex is as it was, with working buttons', { tag: '@long' }, async ({ driven, switchboard }) => {
  test.setTimeout(180_000);
  const flex = await available(driven, switchboard);
  await switchboard.task();
  await flex.page.locator('.Twilio-TaskButton-Accept').first().waitFor();
  await flex.refresh(); // ringing
  await until('the voice client to be ready again', async () => (await flex.heartbeat())?.registered);
  await expect(flex.status).toHaveText(/Voice: ready/);

  await flex.accept();
  await flex.reload(); // accepting
  const sid = await answered(switchboard);
  expect((await flex.store()).callSid).toBe(sid);

  /** F5: the call is back with its controls hardly later than Flex itself. */
  const reload = async (stage: string) => {
    await flex.reload();
    const behind = await flex.behindFlexMs();
    console.log(`    ${stage}: the call was shown ${behind} ms after Flex itself`);
    expect(behind).toBeLessThanOrEqual(BEHIND_FLEX_MS);
  };
  await reload('live');
  expect(await flex.joinCall().count()).toBe(0);
  await flex.picture('flex-live-after-reload');
  await audioGoesOn(switchboard, sid, 1000);

  await flex.toggleMute();
  await until('the extension to be muted', async () => (await flex.beat()).call?.muted === true);
  await reload('muted');
  await until('Flex to show it muted', async () => (await flex.store()).muted === true);
  await flex.toggleMute();
  await until('the extension to be unmuted', async () => (await flex.beat()).call?.muted === false);

  await flex.toggleHold();
  await until('Flex to hold the customer', flex.held);
  await reload('on hold');
  await until('Flex to hold the customer still', flex.held);
  await until('the extension to know of it', async () => (await flex.beat()).call?.onHold === true);
  await flex.toggleHold();
  await until('the customer to be back', async () => await flex.held() === false);

  await flex.hangUp();
  expect((await ended(switchboard, sid)).ended_by).toBe('agent');
  await until('the task to be wrapping', async () => (await flex.store()).tasks[0]?.status === 'wrapping');
  await flex.refresh(); // wrapping
  expect((await flex.store()).callSid).toBe(null);
  await flex.complete();
});

test('a tab that is closed in a call and opened again, and a second tab, act as one with the first', { tag: '@long' }, async ({ driven, switchboard }) => {
  test.setTimeout(180_000);
  // With it, Flex adds to the contact address which tab is meant, and leaves no button to a call that its store has not.
  await switchboard.setFeatures(['flex-multi-tab-support']);
  const first = await available(driven, switchboard);
  const marked = first.page.waitForRequest(request => /"To":"client:ext_[^"]*\?flex_session_identifier=/.test(request.postData() ?? ''), { timeout: 60_000 });
  const sid = await onCall(first, switchboard);
  await marked;
  await first.page.close();
  await audioGoesOn(switchboard, sid, 1000);

  const again = await FlexPage.open(driven.context);
  await again.select();
  await again.waitLive();
  expect((await again.store()).callSid).toBe(sid);
  const second = await FlexPage.open(driven.context);
  await second.select();
  await second.waitLive();
  expect((await second.store()).callSid).toBe(sid);
  await second.page.bringToFront();
  await second.toggleMute();
  await until('the other tab to show it muted', async () => (await again.store()).muted === true);
  await again.page.bringToFront();
  await again.toggleMute();
  await until('the second tab to show it unmuted', async () => (await second.store()).muted === false);
  await again.hangUp();
  expect((await ended(switchboard, sid)).ended_by).toBe('agent');
  await until('both tabs to have no call', async () => (await again.store()).callSid === null && (await second.store()).callSid === null);
  await again.complete();
});

test('details behind the header: quality, devices and volume, in the agent\'s theme and language', async ({ driven, switchboard }) => {
  const flex = await available(driven, switchboard);
  await flex.showDetails();
  await expect(flex.details).toContainText('Calls reach you through the extension.');
  await flex.picture('flex-details');
  await flex.page.keyboard.press('Escape');
  await expect(flex.details).toBeHidden();
  await expect(flex.status).toBeFocused();
  const sid = await onCall(flex, switchboard);
  await flex.showDetails();
  await until('the extension to say how it sounds', async () => (await flex.beat()).call?.quality, { timeout: 20_000 });
  await expect(flex.page.getByTestId('holdfast-quality')).toContainText('Call quality', { timeout: 20_000 });
  const audio = must((await flex.beat()).audio, 'word on devices');
  const speaker = must(audio.speakers.find(({ id }) => !['', 'default', 'communications'].includes(id)), 'speaker');
  await flex.page.getByTestId('holdfast-speaker').selectOption(speaker.id);
  await until('the extension to use that speaker', async () => (await flex.beat()).audio?.wanted.speaker?.id === speaker.id);
  await flex.page.getByTestId('holdfast-volume').fill('40');
  await until('the extension to play more softly', async () => (await flex.beat()).audio?.wanted.volume === 40);
  const microphone = must(audio.microphones.find(({ id }) => !['', 'default', 'communications'].includes(id)), 'microphone');
  await flex.page.getByTestId('holdfast-microphone').selectOption(microphone.id);
  await until('the extension to use that microphone', async () => (await flex.beat()).audio?.wanted.microphone?.id === microphone.id);
  await audioGoesOn(switchboard, sid, 1000);
  await flex.picture('flex-details-on-a-call');
  await flex.showDetails(false);
  await flex.hangUp();
  await ended(switchboard, sid);
});
