// What a contact centre's IT does and never hears of again: real policy files, as `cargo xtask policy` writes them, the
// real signed package, an update URL on this machine. Nothing of the machine's own configuration is touched.
import type { Page } from 'playwright-core';
import { launch } from '../lib/browser.ts';
import * as bare from '../lib/cdp.ts';
import { FlexPage } from '../lib/flex.ts';
import { Organization, managedArgs, policyRows, whyNoPolicies } from '../lib/managed.ts';
import { Probe, audioGoesOn } from '../lib/probe.ts';
import { type Stack, must, until } from '../lib/stack.ts';
import { expect, test as base, uiState } from '../lib/test.ts';

const why = whyNoPolicies();

const test = base.extend<{ organization: Organization & { version?: string }; managed: Stack }>({
  /** The stack as a managed Chromium sees it, and who manages it; the package is published. */
  organization: async ({ stack, switchboard: _clean }, use) => {
    const organization: Organization & { version?: string } = await Organization.start(stack);
    organization.version = organization.publish();
    await use(organization);
    await organization.stop();
  },
  managed: async ({ stack, organization }, use) => use({ ...managedArgs(stack), chromium: organization.chromium }),
});

test.skip(why !== null, why ?? '');
// Chromium installs, reads changed policies and updates in its own time, which is long on a loaded machine.
test.describe.configure({ timeout: 240_000 });

/** What an administrator sets for this account. */
const ours = (stack: Stack) => ({ accountSids: stack.account.account_sid, tokenServiceUrls: stack.token_url });

/** Opens one of the extension's pages as soon as policy has installed it. */
async function optionsPage<In extends Page | bare.BarePage>(page: In, organization: Organization) {
  await until('policy to install the extension', async () => {
    await page.goto(`chrome-extension://${organization.id}/options.html`);
    return (page as Pick<Page, 'evaluate'>).evaluate(() => Boolean(globalThis.chrome?.runtime?.id));
  }, { timeout: 40_000, every: 500 });
  return page;
}

test('policy installs the extension under its id, gives it microphone and notifications unasked, and is clean', async ({ managed, organization, switchboard }) => {
  organization.setPolicy({ ...ours(managed), secondCall: 'offer', agentMayRestart: 'false' });
  const chromium = await bare.start(managed, { extension: null, microphone: false });
  try {
    const options = await optionsPage(await chromium.page(), organization);
    const given = await options.evaluate(async () => ({
      id: chrome.runtime.id,
      version: chrome.runtime.getManifest().version,
      microphone: (await navigator.permissions.query({ name: 'microphone' })).state,
      notifications: Notification.permission,
    }));
    expect(given).toEqual({ id: organization.id, version: organization.version, microphone: 'granted', notifications: 'granted' });
    expect(organization.asked.some(url => url.startsWith('/updates.xml'))).toBe(true);

    const state = await until('the policy to reach the extension', async () => {
      const now = await uiState(options);
      return now.policy.length >= 4 && now;
    }, { timeout: 20_000 });
    expect(state).toMatchObject({ managed: true, mayRestart: false, mayChangeSettings: true, policyComplaints: [] });
    expect(state.policy).toContainEqual({ key: 'secondCall', value: 'offer' });

    const probe = await Probe.openBare(chromium, managed, switchboard);
    const { voiceClientIdentity: identity } = await probe.register();
    const sid = await probe.takeCall(identity);
    await audioGoesOn(switchboard, sid);
    await switchboard.hangUp(sid);

    const page = await chromium.page();
    await page.goto('chrome://policy');
    const rows = await until('chrome://policy to list the policies', async () => {
      const rows = await page.evaluate(policyRows);
      return rows.some(({ name }) => name === 'secondCall') && rows;
    });
    for (const name of ['AudioCaptureAllowedUrls', 'ExtensionSettings', 'NotificationsAllowedForUrls', 'accountSids', 'tokenServiceUrls', 'agentMayRestart']) {
      expect(rows.map(row => row.name)).toContain(name);
    }
    expect(rows.filter(({ status }) => status !== 'OK' && status !== 'Not set.')).toEqual([]);
  } finally {
    await chromium.close();
  }
});

test('what policy forbids is refused with the reason, also when the policy changes while Flex is open, and a slip in it is told', { tag: '@long' }, async ({ managed, organization, switchboard }) => {
  organization.setPolicy({ ...ours(managed), accountSids: `AC${'9'.repeat(32)}` });
  const browser = await launch(managed, { extension: null, extensionId: organization.id, microphone: false, updates: true });
  try {
    const options = await optionsPage(await browser.context.newPage(), organization);
    const policyIs = (what: string, test: (policy: Record<string, string | undefined>) => unknown) => until(what, async () => {
      const state = await uiState(options);
      return test(Object.fromEntries(state.policy.map(({ key, value }) => [key, value]))) ? state : null;
    }, { timeout: 20_000 });
    await policyIs('the first policy', policy => policy.accountSids?.startsWith('AC9'));
    const flex = await FlexPage.open(browser.context, { waitReady: false });
    const probe = await Probe.open(browser.context, managed, switchboard);
    /** In the contract's words to a page, and in the agent's in Flex. */
    const refusal = async (code: string, words: string | RegExp) => {
      const before = await probe.count('CONFIG_REJECTED');
      await probe.configure();
      await until(`a refusal`, async () => await probe.count('CONFIG_REJECTED') > before);
      const { payload } = must((await probe.received('CONFIG_REJECTED')).at(-1), 'refusal');
      expect(payload.code).toBe(code);
      expect(payload.message).toMatch(/administrator/);
      await flex.showDetails();
      await expect(flex.details).toContainText(words, { timeout: 40_000 });
      await expect(flex.status).toHaveText(/Voice: not available/);
      await flex.picture(`flex-refused-${code}`);
      await flex.showDetails(false);
    };
    await refusal('wrong_account', 'voice client belongs to another Twilio account');

    organization.setPolicy({ ...ours(managed), tokenServiceUrls: 'https://elsewhere.example/v1/voice/token' });
    await policyIs('the other token service', policy => policy.tokenServiceUrls?.startsWith('https://elsewhere'));
    await refusal('wrong_token_url', 'Flex and this browser name different token services');

    organization.setPolicy({ ...ours(managed), pageOrigins: 'https://flex.acme.example' });
    await policyIs('the other page origin', policy => policy.pageOrigins);
    await refusal('wrong_page_origin', 'policy does not allow the extension on this address of Flex');

    organization.setPolicy(ours(managed));
    organization.editPolicy(policy => Object.assign(policy['3rdparty'].extensions[organization.id], { secondCall: 'perhaps', edges: ['DUBLIN', 'roaming'] }));
    const { policyComplaints } = await policyIs('what is right of a policy with slips', policy => policy.edges === 'roaming');
    expect(policyComplaints).toEqual([{ key: 'edges', wants: 'edge' }, { key: 'secondCall', wants: { oneOf: ['refuse', 'offer'] } }]);
    expect(await probe.register()).toMatchObject({ registered: true });
    await expect(flex.status).toHaveText(/Voice: ready/, { timeout: 40_000 });

    organization.setPolicy({ ...ours(managed), accountSids: `AC${'9'.repeat(32)}` });
    await until('the registration to be given up', async () => (await uiState(options)).status === 'waitingForFlex', { timeout: 20_000 });
  } finally {
    await browser.close();
  }
});

test('where policy offers a second call, declining routes it on, answering ends the first, and neither happens without a click', async ({ managed, organization, switchboard }) => {
  organization.setPolicy({ ...ours(managed), secondCall: 'offer' });
  const browser = await launch(managed, { extension: null, extensionId: organization.id, microphone: false, updates: true });
  try {
    const options = await optionsPage(await browser.context.newPage(), organization);
    await until('the policy to reach the extension', async () => (await uiState(options)).policy.some(({ key }) => key === 'secondCall'), { timeout: 20_000 });
    const probe = await Probe.open(browser.context, managed, switchboard);
    const { voiceClientIdentity: identity } = await probe.register();
    const popup = await browser.context.newPage();
    await popup.goto(browser.extensionUrl('popup.html'));
    const notices = () => options.evaluate(async () => Object.keys(await chrome.notifications.getAll()));
    const first = await probe.takeCall(identity);
    await probe.waitState('the first call to be open', ({ call }) => call?.sid === first && call.state === 'open');

    const offer = async (from: string) => {
      const { call_sid: sid } = await switchboard.call(`client:${identity}`, from);
      await popup.getByText(from).waitFor();
      expect(await notices()).toContain('waiting');
      const { agent_to_customer: up } = await audioGoesOn(switchboard, first, 1500);
      expect([up.lost, (await switchboard.getCall(sid)).state]).toEqual([0, 'ringing']);
      return sid;
    };
    const declined = await offer('+15550161');
    await popup.locator('#waiting-decline').click();
    await until('the second caller to be routed on', async () => (await switchboard.getCall(declined)).state === 'ended');
    await audioGoesOn(switchboard, first, 1000);

    const answered = await offer('+15550162');
    await popup.locator('#waiting-answer').click();
    await until('the first call to be hung up by the agent', async () => (await switchboard.getCall(first)).ended_by === 'agent');
    await until('the second to be answered', async () => (await switchboard.getCall(answered)).answer_ms != null);
    await probe.waitState('the page to see the second call', ({ call }) => call?.sid === answered && call.state === 'open');
    await audioGoesOn(switchboard, answered, 1000);
    expect(await notices()).not.toContain('waiting');
    await popup.locator('#hang-up').click();
    await until('the second call to end', async () => (await switchboard.getCall(answered)).ended_by === 'agent');
  } finally {
    await browser.close();
  }
});

test('an update waits for the end of the call and keeps the agent available; off the list, the extension goes and Flex\'s own client takes the calls', { tag: '@long' }, async ({ managed, organization, switchboard }) => {
  organization.setPolicy(ours(managed));
  const browser = await launch(managed, { extension: null, extensionId: organization.id, microphone: false, updates: true });
  try {
    const options = await optionsPage(await browser.context.newPage(), organization);
    await switchboard.setActivity('Available');
    const flex = await FlexPage.open(browser.context);
    await flex.page.evaluate(() => { window.__neverReloaded = true; });
    const calls = async () => (await switchboard.calls()).map(({ call_sid: sid }) => sid);
    const answered = async () => {
      const known = new Set(await calls());
      await switchboard.task();
      await flex.accept(30_000);
      const sid = await until('the extension to answer', async () =>
        (await switchboard.calls()).find(call => !known.has(call.call_sid) && call.answer_ms != null)?.call_sid, { timeout: 20_000 });
      await flex.waitLive();
      return sid;
    };
    const first = await answered();

    const newer = organization.publish(`${organization.version}.1`);
    expect((await options.evaluate(() => chrome.runtime.requestUpdateCheck())).status).toBe('update_available');
    await until('the extension to hear of the update', async () => (await uiState(options)).log.some(({ message }) => message.includes(`${newer} is ready`)), { timeout: 30_000 });
    await options.close();
    const { agent_to_customer: up, customer_to_agent: down } = await audioGoesOn(switchboard, first, 4000);
    expect([up.lost, down.lost]).toEqual([0, 0]);
    expect((await flex.beat()).extensionVersion).toBe(organization.version);

    await flex.hangUp();
    const hungUp = performance.now();
    await until('the new version to be registered', async () => {
      const beat = await flex.beat();
      return beat.extensionVersion === newer && beat.registered && beat.voiceClientIdentity === managed.account.extension_identity;
    }, { timeout: 30_000 });
    test.info().annotations.push({ type: 'hang-up to registered in the new version', description: `${Math.round(performance.now() - hungUp)} ms` });
    await flex.complete();
    await until('the agent to be available', async () => (await flex.store()).activity === 'Available', { timeout: 20_000 });
    const second = await answered();
    await audioGoesOn(switchboard, second);
    await flex.hangUp();
    await until('the second call to end', async () => (await switchboard.getCall(second)).state === 'ended');
    await flex.complete();
    expect(await flex.page.evaluate(() => window.__neverReloaded)).toBe(true);

    organization.withdraw();
    await until('the agent to be taken off the queue', async () => (await flex.store()).activity === 'Voice Client Offline', { timeout: 40_000, every: 20 });
    await until('Flex\'s own client to be where calls go', async () => (await flex.store()).contactUri === `client:${managed.account.agent_identity}`, { timeout: 40_000 });
    const gone = await browser.context.newPage();
    await expect(gone.goto(browser.extensionUrl('options.html'))).rejects.toThrow();
  } finally {
    await browser.close();
  }
});
