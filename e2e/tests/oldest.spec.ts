// The promise in the newest and in the oldest Flex UI that Holdfast supports: the same tests in both.
import { FlexPage } from '../lib/flex.ts';
import { audioGoesOn } from '../lib/probe.ts';
import { until } from '../lib/stack.ts';
import { expect, inEachFlexUi, test } from '../lib/test.ts';

inEachFlexUi(flexUi => {
  test('boots to an available agent whose calls ring the extension', async ({ driven, stack, switchboard }) => {
    const flex = await FlexPage.open(driven.context);
    expect(await flex.version()).toBe(flexUi === 'oldest' ? stack.flex_ui_oldest : stack.flex_ui);
    await until('the contact_uri to be the extension', async () => (await flex.store()).contactUri === `client:${stack.account.extension_identity}`);
    await until('the agent to be available', async () => (await flex.store()).activity === 'Available');
    expect((await switchboard.agent()).available).toBe(true);
  });

  test('a call: accepted, muted by Flex\'s own button, kept over F5 with its mute, hung up, completed', async ({ driven, switchboard }) => {
    const flex = await FlexPage.open(driven.context);
    await until('the agent to be available', async () => (await flex.store()).activity === 'Available');
    await switchboard.task();
    await flex.accept();
    await flex.waitLive();
    const callSid = await flex.callSid();
    await audioGoesOn(switchboard, callSid);
    await flex.toggleMute();
    await until('Flex to show the mute', async () => (await flex.store()).muted === true);
    await until('the customer to hear silence', async () => (await switchboard.getCall(callSid)).agent_to_customer.tone_hz === null);

    await flex.reload();
    const after = await flex.store();
    expect([after.callSid, after.muted]).toEqual([callSid, true]);
    await flex.toggleMute();
    await until('the customer to hear the agent', async () => (await switchboard.getCall(callSid)).agent_to_customer.tone_hz !== null);

    await flex.hangUp();
    await until('the agent to have hung up', async () => (await switchboard.getCall(callSid)).ended_by === 'agent');
    await flex.complete();
  });
});
