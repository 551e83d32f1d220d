// What the agent does in the popup during a call: devices, volume, quality; one path, one truth.
import { bar } from '../lib/bars.ts';
import { until } from '../lib/stack.ts';
import { expect, test, uiState } from '../lib/test.ts';

test('volume, hold and mute are one truth for popup and page', { tag: '@alone' }, async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const sid = await probe.takeCall(identity);
  await probe.waitState('the call to be open', state => state.call?.state === 'open');
  const popup = await driven.context.newPage();
  await popup.goto(driven.extensionUrl('popup.html'));
  const took = async (what: string, act: () => Promise<unknown>, test: () => Promise<unknown>) => {
    const from = performance.now();
    await act();
    await until(what, test, { every: 5 });
    return performance.now() - from;
  };
  const viewed = await took('the page to see the popup\'s mute', () => popup.locator('#mute').click(), async () => (await probe.state()).call?.muted);
  bar('muted in the popup', 'seen in Flex\'s page', viewed, 200);
  const back = await took('the popup to see the page\'s unmute', () => probe.send('SET_MUTE', { muted: false }), async () => (await uiState(popup)).call?.muted === false);
  bar('unmuted in Flex\'s page', 'seen in the popup', back, 200);
  await probe.send('CALL_CONTEXT', { callSid: sid, onHold: true });
  await until('the popup to know that Flex holds', async () => (await uiState(popup)).call?.onHold === true);
  await probe.send('SET_VOLUME', { percent: 35 });
  await until('both to know the volume', async () => (await uiState(popup)).audio?.wanted.volume === 35 && (await probe.state()).audio?.wanted.volume === 35);
  await switchboard.hangUp(sid);
  await probe.waitState('the call to be gone', state => state.call == null);
  const { calls } = await uiState(popup);
  expect(calls.at(-1)).toMatchObject({ sid, from: '+15550111' });
  expect(calls.at(-1)?.answeredAt).toBeGreaterThan(0);
});

test('how a call sounds is shown live and kept when it is over', async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const sid = await probe.takeCall(identity);
  const page = await driven.context.newPage();
  await page.goto(driven.extensionUrl('options.html'));
  await until('five samples', async () => (await uiState(page)).quality.length >= 5, { timeout: 30_000 });
  await switchboard.hangUp(sid);
  const { quality } = await until('the summary', async () => (await uiState(page)).calls.find(call => call.sid === sid));
  expect(quality.samples).toBeGreaterThanOrEqual(5);
});
