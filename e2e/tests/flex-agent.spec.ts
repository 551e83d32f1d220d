// Who the agent is, when they go, which calls they expect, and whose address it is: what only Flex knows, and the plugin says.
import type { BrowserContext } from 'playwright-core';
import { DESKTOP, FlexPage, OBSERVE, type Said } from '../lib/flex.ts';
import { type Stack, type Switchboard, must, sleep, until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

const contact = (flex: FlexPage) => flex.store().then(({ contactUri }) => contactUri);
const atTaskRouter = async (switchboard: Switchboard) => {
  const { attributes } = await switchboard.agent();
  return typeof attributes === 'string' ? JSON.parse(attributes) : attributes;
};
const shows = (flex: FlexPage, text: string) => until(`the header to say “${text}”`, async () => (await flex.status.textContent())?.includes(text), { timeout: 30_000 });

async function ready(context: BrowserContext, switchboard: Switchboard) {
  await switchboard.setActivity('Available');
  const flex = await FlexPage.open(context);
  await shows(flex, 'Voice: ready');
  return flex;
}

/** After SIGN_OUT the gateway has no registration of the agent's extension. */
async function gone(stack: Stack, switchboard: Switchboard) {
  await until('the extension to be signed out at the gateway', async () => {
    const { registrations } = await switchboard.state();
    return !registrations.some(({ identity }) => identity === stack.account.extension_identity);
  });
}

/** Flex without waiting for the voice client, and what the plugin says in the console. */
async function open(context: BrowserContext) {
  const page = await context.newPage();
  const flex = Object.assign(new FlexPage(page), { console: [] as string[] });
  page.on('console', message => { if (/^Holdfast/.test(message.text())) flex.console.push(message.text()); });
  await page.addInitScript(OBSERVE);
  await page.goto(DESKTOP, { waitUntil: 'commit' });
  await flex.booted();
  return flex;
}

test('the page names its agent, and the switch to Offline signs the extension out until the agent is back', async ({ driven, stack, switchboard }) => {
  const flex = await ready(driven.context, switchboard);
  const [{ agentIdentity: agent, protocolVersion: version }] = await flex.said('CONFIGURE');
  expect(`ext_${agent}`).toBe(stack.account.extension_identity);
  expect(version).toBeGreaterThanOrEqual(3);
  const hellos = (await flex.said('CONFIGURE')).length;

  expect(await flex.invoke('SetActivity', { activityName: 'Offline' })).toBeNull();
  await until('the extension to be signed out', async () => (await flex.said('SIGN_OUT')).length > 0);
  expect((await flex.said('SIGN_OUT'))[0].reason).toBe('offline');
  await gone(stack, switchboard);
  await shows(flex, 'Voice: off');
  await flex.showDetails();
  expect(await flex.details.innerText()).toContain('You are offline in Flex');
  await flex.showDetails(false);
  await sleep(6000); // longer than it takes to call an extension missing
  expect((await flex.store()).activity, 'the agent is where they went').toBe('Offline');
  expect((await flex.said('CONFIGURE')).length, 'and nobody is asked to come back').toBe(hellos);

  const activities = await flex.page.evaluateHandle(() => {
    const { store } = Twilio.Flex.Manager.getInstance();
    const seen: string[] = [];
    store.subscribe(() => {
      const { name } = store.getState().flex.worker.activity;
      if (seen.at(-1) !== name) seen.push(name);
    });
    return seen;
  });
  expect(await flex.invoke('SetActivity', { activityName: 'Available' })).toBeNull();
  await shows(flex, 'Voice: ready');
  await flex.untilActivity('Available');
  expect(await activities.evaluate(seen => seen), 'no detour over Voice Client Offline').not.toContain('Voice Client Offline');
  await switchboard.task();
  await flex.accept();
  await flex.waitLive();
  await flex.hangUp();
  await flex.complete();
});

test('Flex\'s logout signs the extension out before Flex leaves', async ({ driven, stack, switchboard }) => {
  await switchboard.setActivity('Available');
  const page = await driven.context.newPage();
  const flex = new FlexPage(page);
  const said: Said[] = [];
  await page.exposeFunction('__tell', (one: Said) => { said.push(one); });
  await page.addInitScript(OBSERVE);
  await page.goto(DESKTOP, { waitUntil: 'commit' });
  await shows(flex, 'Voice: ready');
  // The page may be gone before the action ends.
  await page.evaluate(() => { Twilio.Flex.Actions.invokeAction('Logout', {}).catch(() => {}); });
  await until('the extension to be signed out', () => said.some(({ type, reason }) => type === 'SIGN_OUT' && reason === 'logout'));
  await gone(stack, switchboard);
});

test('a call is expected from the click that leads to it until its task is over', async ({ driven, switchboard }) => {
  const flex = await ready(driven.context, switchboard);
  const lists = async () => (await flex.said('EXPECT_CALLS')).map(({ calls }) => must(calls, 'list of calls in EXPECT_CALLS'));
  expect((await lists())[0], 'nothing, and that is said').toEqual([]);
  await switchboard.task();
  await until('the reservation', async () => (await flex.store()).tasks.length === 1);
  const [{ sid }] = (await flex.store()).tasks;
  expect((await lists()).flat(), 'that it rings is no reason to answer').toEqual([]);
  await flex.accept();
  await flex.waitLive();
  expect((await lists()).at(-1)).toEqual([{ id: sid, reason: 'reservation' }]);
  await flex.hangUp();
  await flex.complete();
  await until('nothing to be expected any more', async () => (await lists()).at(-1)?.length === 0);

  await switchboard.outbound({ then: 'wait' });
  expect(await flex.invoke('StartOutboundCall', { destination: '+15550177' })).toBeNull();
  await flex.carrying();
  const outbound = (await lists()).findLast(calls => calls.length > 0);
  expect(outbound).toEqual([{ id: expect.stringMatching(/^outbound:\d+$/), reason: 'outbound' }]);
  const [{ taskSid }] = (await flex.store()).tasks;
  await switchboard.customerRefuses(taskSid);
  await until('nothing to be expected any more', async () => (await lists()).at(-1)?.length === 0, { timeout: 30_000 });
});

test('an agent whose name begins like the prefix keeps the address, with and without the voice client', async ({ driven, switchboard }) => {
  const own = 'client:ext_2Ejones_40example_2Ecom';
  await switchboard.setAttributes({ extensionVoiceClientEnabled: null, contact_uri: own });
  const flex = await open(driven.context);
  await sleep(4000);
  expect([await contact(flex), (await atTaskRouter(switchboard)).contact_uri]).toEqual([own, own]);
});

test('an own address of another kind comes back as it was, kept with the worker', async ({ driven, stack, switchboard }) => {
  test.setTimeout(180_000);
  const ours = `client:${stack.account.extension_identity}`;
  await switchboard.setActivity('Available');
  await switchboard.setAttributes({ extensionVoiceClientEnabled: false });
  const flex = await open(driven.context);
  for (const own of ['sip:ada@pbx.example.com;transport=tls', '+15550199', 'client:custom_ada']) {
    await switchboard.setAttributes({ contact_uri: own, extensionVoiceClientEnabled: true });
    await until('calls to go to the extension', async () => (await contact(flex))?.startsWith(ours), { timeout: 30_000 });
    expect((await atTaskRouter(switchboard)).holdfast_previous_contact_uri).toBe(own);
    await switchboard.setAttributes({ extensionVoiceClientEnabled: false });
    await until(`${own} to be back`, async () => (await contact(flex)) === own, { timeout: 20_000 });
    const { contact_uri: back, holdfast_previous_contact_uri: left } = await atTaskRouter(switchboard);
    expect([back, left ?? null]).toEqual([own, null]);
  }
});

test('the worker attribute counts as user directories write it, and what is neither true nor false is told', async ({ driven, stack, switchboard }) => {
  test.setTimeout(180_000);
  await switchboard.setActivity('Available');
  await switchboard.setAttributes({ extensionVoiceClientEnabled: 'yes' });
  const flex = await open(driven.context);
  await shows(flex, 'Voice: not set up');
  await flex.showDetails();
  expect(await flex.details.innerText()).toContain('extensionVoiceClientEnabled is "yes", which is neither true nor false');
  await flex.showDetails(false);
  expect(flex.console.filter(text => text.includes('neither true nor false'))).toHaveLength(1);
  await switchboard.setAttributes({ extensionVoiceClientEnabled: 1 });
  await until('the number to be told', async () => (await flex.status.getAttribute('title'))?.includes('is 1, which is neither'));
  expect((await flex.store()).activity, 'calls are Flex\'s own, and go on').toBe('Available');
  for (const value of ['true', ' True ']) {
    await switchboard.setAttributes({ extensionVoiceClientEnabled: value });
    await shows(flex, 'Voice: ready');
    await switchboard.setAttributes({ extensionVoiceClientEnabled: 'False' });
    await flex.status.waitFor({ state: 'hidden' });
    await until('calls to be Flex\'s own', async () => !must(await contact(flex), 'address').startsWith(`client:${stack.account.extension_identity}`));
  }
});

test('Flex in a frame of another page says that Holdfast needs a tab, and leaves calls and the agent where they are', async ({ driven, stack, switchboard }) => {
  test.setTimeout(180_000);
  await switchboard.setActivity('Available');
  const page = await driven.context.newPage();
  await page.addInitScript(OBSERVE);
  // A host of the same site plays the CRM: Chromium would otherwise deny the frame its storage.
  await page.goto('https://crm.twilio.com/');
  await page.evaluate(src => {
    document.body.innerHTML = `<iframe allow="microphone; autoplay" style="width:1400px;height:850px" src="${src}"></iframe>`;
  }, DESKTOP);
  const frame = await until('the frame', () => page.frames().find(one => one.url().startsWith('https://flex.twilio.com')), { timeout: 60_000 });
  const worker = () => frame.evaluate(() => {
    const { worker: { activity, attributes } } = Twilio.Flex.Manager.getInstance().store.getState().flex;
    return { activity: activity.name, contact: attributes.contact_uri };
  });
  const before = await until('Flex to boot', worker, { timeout: 90_000, every: 500 });
  const status = frame.getByTestId('holdfast-voice-status');
  await until('the header to say so', async () => (await status.textContent())?.includes('Voice: in Flex itself'), { timeout: 30_000 });
  await status.click();
  expect(await frame.getByTestId('holdfast-voice-details').innerText()).toContain('Holdfast works in a tab of its own, not in a frame');
  await sleep(12_000); // longer than an extension may be silent
  expect(await worker()).toEqual(before);
  expect(before).toEqual({ activity: 'Available', contact: expect.not.stringContaining(stack.account.extension_identity) });
});
