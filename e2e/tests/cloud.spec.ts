// What the sandbox's cloud does when the real Flex UI asks for more than an incoming call.
import type { Browser } from '../lib/browser.ts';
import { FlexPage } from '../lib/flex.ts';
import { until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

const ready = async (driven: Browser) => {
  const flex = await FlexPage.open(driven.context);
  await until('calls to ring the extension', async () => (await flex.store()).contactUri?.startsWith('client:ext_'));
  return flex;
};
const invoke = (flex: FlexPage, action: string, payload = {}) => flex.page.evaluate(
  ([name, value]) => Twilio.Flex.Actions.invokeAction(name, value).then(() => null, error => String(error)), [action, payload] as const);

test('a customer on hold hears music and not the agent, until taken back', async ({ driven, switchboard }) => {
  const flex = await ready(driven);
  await switchboard.task();
  await flex.accept();
  await flex.waitLive();
  const { tasks: [{ sid }] } = await flex.store();
  const callSid = await flex.callSid();
  const heard = async () => (await switchboard.getCall(callSid)).agent_to_customer.tone_hz;
  await until('the customer to hear the agent', async () => (await heard()) === 880);
  expect(await invoke(flex, 'HoldCall', { sid })).toBeNull();
  await until('the customer to hear music', async () => (await heard()) === 330);
  expect((await switchboard.getCall(callSid)).line).toBe('held');
  expect(await invoke(flex, 'UnholdCall', { sid })).toBeNull();
  await until('the customer to hear the agent again', async () => (await heard()) === 880);
  await switchboard.hangUp(callSid);
});

test('a supervisor\'s MonitorCall rings the extension, which hears the colleague\'s call and is not heard', async ({ driven, switchboard }) => {
  await switchboard.setRoles(['supervisor']);
  const { reservation_sid: reservation } = await switchboard.colleagueCall();
  const flex = await ready(driven);
  await flex.page.goto('https://flex.twilio.com/teams');
  await flex.ready();
  const monitored = () => flex.page.evaluate(sid => {
    const { supervisor, phone } = Twilio.Flex.Manager.getInstance().store.getState().flex;
    const tasks = supervisor.workers.flatMap(worker => worker.tasks);
    return { seen: tasks.some(task => task.sid === sid), status: supervisor.callMonitoring.status, call: phone.activeCall?.parameters?.CallSid ?? null };
  }, reservation);
  await until('the colleague\'s call in the Teams view', async () => (await monitored()).seen, { timeout: 30_000 });
  expect(await invoke(flex, 'MonitorCall', { sid: reservation })).toBeNull();
  const { supervisors: [{ call_sid: sid }] } = (await switchboard.state()).colleague[0];
  await until('the extension to answer', async () => (await switchboard.getCall(sid)).line === 'listening');
  await until('Flex to monitor', async () => (await monitored()).status === 2);
  await until('nobody to hear the supervisor', async () => {
    const { agent_to_customer: up, customer_to_agent: down } = await switchboard.getCall(sid);
    return up.packets > 50 && up.tone_hz === null && down.packets > 50;
  });
  await switchboard.colleagueHangsUp(reservation);
  await until('the supervisor\'s leg to be over', async () => (await switchboard.getCall(sid)).state === 'ended');
});
