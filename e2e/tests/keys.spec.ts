// The keys of `chrome.commands`, pressed on a keyboard while another page has the focus, and the notifications.
import { launch } from '../lib/browser.ts';
import { Display, whyNoDisplay } from '../lib/display.ts';
import { until } from '../lib/stack.ts';
import { expect, test as base, uiState } from '../lib/test.ts';

const why = whyNoDisplay();

const test = base.extend<{ display: Display }>({
  display: async ({}, use) => {
    const display = await Display.start();
    await use(display);
    await display.stop();
  },
  driven: async ({ stack, switchboard: _clean, display }, use) => {
    const browser = await launch(stack, { display });
    await use(browser);
    await browser.close();
  },
});

test.skip(why !== null, why ?? '');

test('keys mute, unmute and hang up from whatever page has the focus; the notification follows and goes with the call', async ({ driven, probe, display, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const options = await driven.context.newPage();
  await options.goto(driven.extensionUrl('options.html'));
  const notice = () => options.evaluate(async () => Object.keys(await chrome.notifications.getAll()));
  expect(await notice()).toEqual([]);
  const sid = await probe.takeCall(identity);
  await until('the notification of the call', async () => (await notice()).includes('call'));

  const elsewhere = await driven.context.newPage();
  await elsewhere.goto('about:blank');
  await elsewhere.bringToFront();
  for (const muted of [true, false]) {
    display.press('alt+shift+m');
    await probe.waitState(`the page to see the call ${muted ? 'muted' : 'unmuted'}`, ({ call }) => call?.muted === muted);
    expect((await uiState(options)).call?.muted).toBe(muted);
  }
  display.press('alt+shift+h');
  await until('the agent to have hung up', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
  await until('the notification to go', async () => (await notice()).length === 0);

  // Without a call the keys do nothing.
  display.press('alt+shift+h');
  display.press('alt+shift+m');
  const after = await probe.takeCall(identity);
  await probe.waitState('the next call to be open', ({ call }) => call?.sid === after && call.state === 'open' && !call.muted);
  await switchboard.hangUp(after);
});
