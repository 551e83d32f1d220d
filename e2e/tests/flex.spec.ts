// The plugin in the real Flex UI: who is told what, and where agents and their calls are sent.
import { launch } from '../lib/browser.ts';
import { FlexPage } from '../lib/flex.ts';
import { audioGoesOn } from '../lib/probe.ts';
import { type Stack, must, until } from '../lib/stack.ts';
import { expect, test, uiState } from '../lib/test.ts';

const OFFLINE = 'Voice Client Offline';

/** A Flex tab in a browser without the extension; `speak` runs in the page before Flex. */
async function withoutExtension(stack: Stack, work: (flex: FlexPage) => Promise<void>, speak: string | (() => void) | null = null) {
  const browser = await launch(stack, { extension: null, microphone: false });
  try {
    if (speak) await browser.context.addInitScript(typeof speak === 'string' ? { content: speak } : speak);
    await work(await FlexPage.open(browser.context, { waitReady: false }));
  } finally {
    await browser.close();
  }
}

test('a Flex token that Flex refreshes in a call reaches the extension, and the call goes on untouched', async ({ driven, switchboard }) => {
  await switchboard.setActivity('Available');
  await switchboard.fault({ kind: 'flex_token_ttl', seconds: 100 });
  const flex = await FlexPage.open(driven.context);
  await flex.untilActivity('Available');
  await switchboard.task();
  await flex.accept();
  await flex.waitLive();
  const { call: { sid }, flexTokenExpiresAt: first } = await flex.carrying();
  await switchboard.mark(sid, 'refresh');
  await until('a FLEX_TOKEN with a later end', async () => ((await flex.beat()).flexTokenExpiresAt ?? 0) > must(first, 'end of the first token'), { timeout: 60_000 });
  await audioGoesOn(switchboard, sid, 1000);
  const { windows: [refresh] } = await switchboard.windows(sid);
  expect(refresh.agent_to_customer.lost).toBe(0);
  expect(await flex.beat()).toMatchObject({ registered: true, call: { sid, state: 'open', muted: false } });
  expect((await flex.store()).callSid).toBe(sid);
  await flex.hangUp();
  await until('the call to end', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
});

test('another script of the page hears nothing of what plugin and extension say, and is not taken for either', async ({ driven, switchboard }) => {
  await switchboard.setActivity('Available');
  const context = driven.context;
  // As a script that Flex loads: after the content script, before the plugin.
  await context.addInitScript(() => addEventListener('DOMContentLoaded', () => {
    window.__overheard = [];
    addEventListener('message', ({ data, ports }) => {
      if (String(data?.type).startsWith('VOICE_CLIENT_EXTENSION_')) window.__overheard.push({ type: data.type, ports: ports.length });
    }, true);
  }, true));
  const flex = await FlexPage.open(context);
  await flex.untilActivity('Available');
  await switchboard.task();
  await flex.accept();
  await flex.waitLive();
  const { call: { sid } } = await flex.carrying();
  const overheard = () => flex.page.evaluate(() => window.__overheard);
  expect(await overheard()).toEqual([]);

  // Neither to the extension in the plugin's name, nor to the plugin in the extension's.
  const commands = ['HANGUP_CALL', 'SET_MUTE', 'CONFIGURE', 'FLEX_TOKEN'];
  await flex.page.evaluate(names => {
    const payloads: Record<string, object> = { SET_MUTE: { muted: true } };
    for (const name of names) window.postMessage({ type: `VOICE_CLIENT_EXTENSION_${name}`, payload: payloads[name] }, location.origin);
    for (const name of ['DISCONNECTED', 'CONFIG_REJECTED']) window.postMessage({ type: `VOICE_CLIENT_EXTENSION_${name}` }, location.origin);
  }, commands);
  const options = await context.newPage();
  await options.goto(driven.extensionUrl('options.html'));
  await expect.poll(async () => (await uiState(options)).counters.messages_foreign ?? 0, { timeout: 15_000 }).toBe(commands.length);
  await audioGoesOn(switchboard, sid, 1000);
  expect(await flex.beat()).toMatchObject({ registered: true, call: { sid, state: 'open', muted: false } });
  expect((await flex.store()).callSid).toBe(sid);
  await expect(flex.status).not.toHaveText(/not available/);
  await flex.hangUp();
  await until('the call to end', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
});

test('without the extension the agent is taken off the queue and told why', async ({ stack, switchboard }) => {
  await withoutExtension(stack, async (flex: FlexPage) => {
    await until('the agent to be moved to the offline activity', async () => (await switchboard.agent()).activity_name === OFFLINE, { timeout: 60_000 });
    await expect(flex.status).toHaveText(/Voice: not available/);
    await flex.showDetails();
    await expect(flex.page.getByTestId('holdfast-detail')).toContainText('nstall or enable the Holdfast extension');
    await flex.picture('flex-no-extension');
    // An agent without voice may take a break, and may not pretend to be available.
    expect(await flex.invoke('SetActivity', { activityName: 'Available' })).toContain('cancelled');
    await expect(flex.toast('You cannot be “Available” now')).toBeVisible();
    expect((await flex.store()).activity).toBe(OFFLINE);
    expect(await flex.invoke('SetActivity', { activityName: 'Offline' })).toBeNull();
    await flex.untilActivity('Offline');
    expect(await flex.invoke('SetActivity', { activityName: OFFLINE })).toContain('cancelled');
    await expect(flex.toast('is set for you while voice is not available')).toBeVisible();
    expect(await flex.invoke('StartOutboundCall', { destination: '+15550177' })).toContain('cancelled');
    await expect(flex.toast('The call was not started')).toBeVisible();
  });
});

test('the agent comes back to the queue when the voice client does, also across a reload', async ({ driven, switchboard }) => {
  await switchboard.setActivity('Available');
  const flex = await FlexPage.open(driven.context);
  await flex.untilActivity('Available');
  await switchboard.fault({ kind: 'signalling_refuse', ms: 14_000 });
  await switchboard.fault({ kind: 'signalling_drop' });
  await flex.untilActivity(OFFLINE);
  await expect(flex.status).toHaveText(/Voice: not available/);
  await flex.refresh();
  await flex.untilActivity('Available', 60_000);
  await expect(flex.status).toHaveText(/Voice: ready/);
});

test('a plugin whose WebAssembly cannot start says so and leaves Flex alone', async ({ stack, switchboard: _clean }) => {
  await withoutExtension(stack, async (flex: FlexPage) => {
    await flex.booted();
    await expect(flex.toast('the Holdfast plugin could not start')).toBeVisible();
    await flex.picture('flex-cannot-start');
    expect(await flex.invoke('SetActivity', { activityName: 'Offline' })).toBeNull();
    await flex.untilActivity('Offline');
  }, () => { WebAssembly.instantiate = (): Promise<never> => Promise.reject(new Error('broken on purpose')); });
});

test('an extension of the older contract works with this plugin, and the agent is told what it cannot do', async ({ stack, switchboard }) => {
  const { extension_identity: identity } = stack.account;
  await switchboard.setActivity('Available');
  // The older extension's half of the contract, and nothing else of it.
  const speak = (identity: string) => {
    const say = (name: string, payload?: object) => postMessage({ type: `VOICE_CLIENT_EXTENSION_${name}`, ...(payload ? { payload } : {}) });
    const heard: typeof __heard = (window.__heard = []);
    let beating = false;
    addEventListener('message', ({ source, data }) => {
      if (window.__gone || source !== window || !String(data?.type).startsWith('VOICE_CLIENT_EXTENSION_')) return;
      const name = data.type.slice('VOICE_CLIENT_EXTENSION_'.length);
      if (!['CONFIGURED', 'HEARTBEAT', 'DISCONNECTED'].includes(name)) heard.push({ name, keys: Object.keys(data.payload ?? {}) });
      if (name === 'CONFIGURE') say('CONFIGURED');
      if (name === 'FLEX_TOKEN' && !beating) {
        beating = true;
        window.__beat = setInterval(() => say('HEARTBEAT', { voiceClientIdentity: identity, error: null }), 1000);
      }
    });
  };
  await withoutExtension(stack, async (flex: FlexPage) => {
    await flex.booted();
    await expect(flex.status).toHaveText(/Voice: ready/, { timeout: 30_000 });
    await until('contact_uri to be the extension\'s', async () => (await flex.store()).contactUri === `client:${identity}`);
    await flex.showDetails();
    await expect(flex.page.getByTestId('holdfast-note')).toContainText('of an older kind');
    await flex.picture('flex-older-extension');
    const heard = await flex.page.evaluate(() => window.__heard);
    const configure = heard.find(({ name }) => name === 'CONFIGURE');
    expect(configure?.keys).toEqual(expect.arrayContaining(['voiceClientTokenGeneratorUrl', 'accountSid', 'extensionVoiceClientPrefix']));
    expect(heard.find(({ name }) => name === 'FLEX_TOKEN')?.keys).toEqual(expect.arrayContaining(['token', 'accountSid', 'expiration']));
    // It falls silent, and is gone for good: the agent leaves the queue, and calls go to Flex's own client again.
    const silentAt = performance.now();
    await flex.page.evaluate(() => { window.__gone = true; clearInterval(window.__beat); });
    await expect(flex.status).toHaveText(/Voice: not available/, { timeout: 20_000 });
    // Five seconds of silence, and as much again where a busy machine held up the plugin's own clock.
    expect(performance.now() - silentAt).toBeLessThan(12_000);
    await until('contact_uri to be Flex\'s own', async () => (await flex.store()).contactUri === `client:${identity.replace('ext_', '')}`, { timeout: 30_000 });
    expect((await flex.store()).activity).toBe(OFFLINE);
  }, `(${speak})(${JSON.stringify(identity)})`);
});

test('the older plugin\'s messages are all that the extension needs', async ({ probe, switchboard }) => {
  await probe.post({
    type: 'VOICE_CLIENT_EXTENSION_CONFIGURE',
    payload: {
      voiceClientTokenGeneratorUrl: probe.stack.token_url,
      accountSid: probe.stack.account.account_sid,
      extensionVoiceClientPrefix: 'ext_',
    },
  });
  await probe.wait('CONFIGURED');
  await probe.sendFlexToken();
  const beat = (await probe.wait('HEARTBEAT', payload => payload.error !== true && payload.voiceClientIdentity, { timeout: 20_000 })).payload;
  expect(beat.voiceClientIdentity).toBe(probe.stack.account.extension_identity);
  const sid = await probe.takeCall(must(beat.voiceClientIdentity, 'identity'));
  await probe.post({ type: 'VOICE_CLIENT_EXTENSION_SEND_DTMF_DIGITS', payload: { digits: '7' } });
  await until('the customer to hear 7', async () => (await switchboard.getCall(sid)).dtmf === '7');
  await probe.post({ type: 'VOICE_CLIENT_EXTENSION_HANGUP_CALL' });
  await until('the agent to have hung up', async () => (await switchboard.getCall(sid)).ended_by === 'agent');
});
