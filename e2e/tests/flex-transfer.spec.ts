// A call with several people in it: Flex's own transfers, its Live Calls bar and "End call for everyone", with the
// extension's call in its store.
import { FlexPage } from '../lib/flex.ts';
import { audioGoesOn } from '../lib/probe.ts';
import { until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

test('a call is handed over warm and cold, and a conference ended for everyone, by Flex\'s own buttons, also after F5 in between', { tag: '@long' }, async ({ driven, switchboard }) => {
  await switchboard.setActivity('Available');
  await switchboard.setRoles(['supervisor']);
  await switchboard.setFeatures(['external-warm-transfers', 'flex-warm-transfers']);
  const flex = await FlexPage.open(driven.context);
  await expect(flex.status).toHaveText(/Voice: ready/);
  const task = async () => (await switchboard.state()).tasks[0];
  const call = async () => {
    await switchboard.task();
    await flex.accept();
    await flex.waitLive();
    return flex.callSid();
  };
  /** Presses a button of the colleague's in the transfer directory. */
  const handOver = async (button: string) => {
    await flex.page.getByTestId('call-transfer').click();
    const colleague = flex.page.locator('.Twilio-WorkerDirectory-Worker').filter({ hasText: 'Ben Colleague' });
    await colleague.hover();
    await colleague.getByTitle(button).click({ timeout: 15_000 });
    await until('the transfer to be under way', async () => (await task()).transfer?.status === 'initiated');
  };
  const over = (sid: string) => until('the agent\'s leg to be over', async () => (await switchboard.getCall(sid)).state === 'ended');
  const wrapUp = async () => {
    await until('the task to be wrapping, and no call in Flex', async () => {
      const { callSid, tasks } = await flex.store();
      return callSid === null && tasks[0]?.status === 'wrapping';
    });
    expect(await flex.joinCall().count()).toBe(0);
    await flex.complete();
    await expect(flex.status).toHaveText(/Voice: ready/);
  };

  // Elsewhere in Flex, the Live Calls bar has the call.
  const first = await call();
  await flex.invoke('NavigateToView', { viewName: 'teams' });
  const bar = flex.page.locator('.Twilio-LiveCommsBar');
  await bar.waitFor();
  await flex.picture('flex-live-calls-bar');
  await bar.getByRole('button', { name: /^Mute/ }).click();
  await until('the extension to be muted', async () => (await flex.beat()).call?.muted === true);
  await bar.getByRole('button', { name: /^Unmute/ }).click();
  await until('the extension to be unmuted', async () => (await flex.beat()).call?.muted === false);
  await flex.invoke('NavigateToView', { viewName: 'agent-desktop' });

  // Warm: asked, taken back, asked again, taken; F5 while it is asked, and with three in the call.
  await handOver('Consult Ben Colleague');
  await flex.page.getByTestId('cancel-participant').click({ timeout: 15_000 });
  await until('the transfer to be taken back', async () => (await task()).transfer?.status === 'canceled');
  await handOver('Consult Ben Colleague');
  await flex.reload();
  await switchboard.answerTransfer(first);
  await until('Flex to say that the conference outlives the agent', async () => (await task()).agent?.end_conference_on_exit === false);
  await flex.picture('flex-three-in-a-call');
  await flex.reload();
  expect((await flex.store()).callSid).toBe(first);
  await audioGoesOn(switchboard, first, 1000);
  await flex.toggleMute();
  await until('the extension to be muted', async () => (await flex.beat()).call?.muted === true);
  await flex.hangUp();
  expect((await over(first)) && (await switchboard.getCall(first)).ended_by).toBe('agent');
  expect(await task()).toMatchObject({ customer: { left: false }, transfer: { mode: 'WARM', colleague: 'joined' } });
  await wrapUp();

  const second = await call();
  await handOver('Transfer to Ben Colleague');
  await over(second);
  expect(await task()).toMatchObject({ customer: { left: false }, transfer: { mode: 'COLD', status: 'initiated' } });
  await switchboard.answerTransfer(second);
  await wrapUp();

  const third = await call();
  await handOver('Consult Ben Colleague');
  await switchboard.answerTransfer(third);
  await flex.page.getByTestId('call-menu-toggle').click();
  await flex.page.getByTestId('end-button').click({ timeout: 15_000 });
  await over(third);
  expect(await task()).toMatchObject({ customer: { left: true }, transfer: { colleague: 'left' } });
  await wrapUp();
});
