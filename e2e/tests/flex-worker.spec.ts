// The plugin under an administrator's and a supervisor's hands: attributes, configuration, outbound calls, monitoring.
import type { BrowserContext } from 'playwright-core';
import { launch } from '../lib/browser.ts';
import { FlexPage } from '../lib/flex.ts';
import { type Switchboard, until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

const contact = (flex: FlexPage) => flex.store().then(({ contactUri }) => contactUri);

async function ready(context: BrowserContext, switchboard: Switchboard) {
  await switchboard.setActivity('Available');
  const flex = await FlexPage.open(context);
  await until('contact_uri to be the extension\'s', async () => (await contact(flex))?.startsWith('client:ext_'));
  return flex;
}

/** Waits until Flex's Teams view has the colleague's call. */
const teamsShow = (flex: FlexPage, reservation: string) => until('the colleague\'s call in the Teams view', () => flex.page.evaluate((sid: string) => {
  const { supervisor } = Twilio.Flex.Manager.getInstance().store.getState().flex;
  return supervisor.workers.some(worker => worker.tasks.some(task => task.sid === sid));
}, reservation), { timeout: 30_000 });

test('an outbound call starts though Flex has no microphone of its own, and is cancelled while it rings', async ({ stack, switchboard }) => {
  const browser = await launch(stack, { flexMicrophone: false });
  try {
    const flex = await ready(browser.context, switchboard);
    expect(await flex.page.evaluate(() => Boolean(Twilio.Flex.Manager.getInstance().store.getState().flex.phone.listener?.isMicrophoneSet))).toBe(false);
    await switchboard.outbound({ then: 'wait' });
    expect(await flex.invoke('StartOutboundCall', { destination: '+15550177' })).toBeNull();
    const { sid } = await until('the agent\'s leg to be answered by the extension', async () => (await flex.beat()).call, { timeout: 20_000 });
    await until('Flex to have the call', async () => (await flex.store()).callSid === sid);
    await flex.picture('flex-outbound-ringing');
    await flex.page.locator('[data-testid="cancel-outbound-call"], .Twilio-OutboundCall-Cancel, button:has-text("Cancel"), [data-testid="hangup-footer"], .Twilio-TaskButton-Hangup').first().click();
    await until('the agent\'s leg to be over', async () => (await switchboard.getCall(sid)).state === 'ended');
    await until('Flex to have no task', async () => (await flex.store()).tasks.every(({ status }) => status !== 'accepted'));
  } finally {
    await browser.close();
  }
});

test('where Flex\'s store is not to be used, the documented actions act on the extension\'s call', async ({ driven, stack, switchboard }) => {
  await switchboard.setRoles(['supervisor']);
  await switchboard.setUiAttributes({ holdfast: { token_service_url: stack.token_url, call_controls: 'actions' } });
  const flex = await ready(driven.context, switchboard);
  await switchboard.task();
  await flex.accept();
  const { call: { sid } } = await flex.carrying();
  expect((await flex.store()).callSid).toBe(null);
  await until('the task to be accepted', async () => (await flex.store()).tasks[0]?.status === 'accepted');
  expect(await flex.invoke('ToggleMute', {})).toBeNull();
  await until('the extension to be muted', async () => (await flex.beat()).call?.muted === true);
  await flex.refresh();
  await until('the page to know of the call', async () => (await flex.status.textContent())?.includes('on a call, muted'));
  expect(await flex.invoke('ToggleMute', {})).toBeNull();
  await until('the extension to be unmuted', async () => (await flex.beat()).call?.muted === false);
  const [task] = (await flex.store()).tasks;
  expect(await flex.invoke('SendDTMFDigits', { sid: task.sid, digits: '6' })).toBeNull();
  await until('the customer to hear 6', async () => (await switchboard.getCall(sid)).dtmf === '6');
  expect(await flex.invoke('HangupCall', { sid: task.sid })).toBeNull();
  const hungUp = (call: string) => until('the agent to have hung up', async () => (await switchboard.getCall(call)).ended_by === 'agent');
  await hungUp(sid);
  await flex.complete();

  const carried = async () => (await flex.carrying()).call.sid;
  const accepted = async () => {
    await until('the extension to be free', async () => (await flex.beat()).call == null);
    await switchboard.task();
    await flex.accept();
    const call = await carried();
    await until('the task to be accepted', async () => (await flex.store()).tasks[0]?.status === 'accepted');
    return call;
  };
  // Flex's own button, which without a call in the store invokes WrapupTask.
  const second = await accepted();
  await flex.hangUp();
  await hungUp(second);
  await flex.complete();
  const third = await accepted();
  expect(await flex.invoke('EndConferenceForAll', { sid: (await flex.store()).tasks[0].sid })).toBeNull();
  await until('the conference to be over', async () => (await switchboard.getCall(third)).state === 'ended');
  expect((await switchboard.state()).tasks[0].customer.left).toBe(true);
  await flex.complete();

  const { reservation_sid: reservation } = await switchboard.colleagueCall();
  await flex.invoke('NavigateToView', { viewName: 'teams' });
  await teamsShow(flex, reservation);
  await until('the extension to be free', async () => (await flex.beat()).call == null);
  expect(await flex.invoke('MonitorCall', { sid: reservation })).toBeNull();
  const listening = await carried();
  await until('Flex to know of it', async () => (await flex.status.textContent())?.includes('on a call'));
  expect(await flex.invoke('StopMonitoringCall', { sid: reservation })).toBeNull();
  await hungUp(listening);
});

test('a supervisor listens to a colleague through the extension, coaches them, also after F5, and Flex\'s own action and button stop it', async ({ driven, switchboard }) => {
  await switchboard.setRoles(['supervisor']);
  const { reservation_sid: reservation } = await switchboard.colleagueCall();
  const flex = await ready(driven.context, switchboard);
  await flex.page.goto('https://flex.twilio.com/teams');
  await flex.ready();
  await teamsShow(flex, reservation);
  const listen = async () => {
    expect(await flex.invoke('MonitorCall', { sid: reservation })).toBeNull();
    const { sid } = await until('the extension to carry the supervisor\'s leg', async () => (await flex.beat()).call);
    await until('Flex to have the call', async () => (await flex.store()).callSid === sid);
    return sid;
  };
  const over = (sid: string) => until('the supervisor\'s leg to be over', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
  const sid = await listen();
  await flex.picture('flex-monitoring');
  const heard = async () => (await switchboard.getCall(sid)).agent_to_customer.tone_hz;
  await until('nobody to hear the supervisor', async () => (await switchboard.getCall(sid)).agent_to_customer.packets > 50 && await heard() === null);
  await switchboard.coach(reservation);
  await until('the colleague to hear the supervisor', heard);
  await flex.page.reload({ waitUntil: 'commit' });
  await flex.ready();
  await until('Flex to have the call again', async () => (await flex.store()).callSid === sid);
  await until('the colleague to hear the supervisor still', heard);
  await switchboard.coach(reservation, false);
  await until('nobody to hear the supervisor again', async () => await heard() === null);
  expect(await flex.invoke('StopMonitoringCall', { sid: reservation })).toBeNull();
  await over(sid);
  await until('the extension to be free', async () => (await flex.beat()).call == null);
  const again = await listen();
  await flex.page.getByRole('button', { name: 'Stop listening' }).click({ timeout: 15_000 });
  await over(again);
});
