// One browser, one agent after the other: nobody is told of, or called as, the agent before; who has gone is gone.
import type { Browser } from '../lib/browser.ts';
import crypto from 'node:crypto';
import type { Page, Worker } from 'playwright-core';
import { FlexPage } from '../lib/flex.ts';
import { Probe } from '../lib/probe.ts';
import { type Stack, type Switchboard, sleep, until } from '../lib/stack.ts';
import { expect, test, uiState } from '../lib/test.ts';

const ANN = 'ext_ann_40example_2Ecom';

/** A Voice token that the gateway takes, for whomever. */
function mint({ account }: Stack, identity: string) {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const head = part({ alg: 'HS256', typ: 'JWT', cty: 'twilio-fpa;v=1' });
  const body = part({
    jti: `${account.api_key_sid}-${now}-${crypto.randomUUID()}`, iss: account.api_key_sid, sub: account.account_sid,
    iat: now, exp: now + 3600, grants: { identity, voice: { incoming: { allow: true } } },
  });
  const signature = crypto.createHmac('sha256', account.api_key_secret).update(`${head}.${body}`).digest('base64url');
  return `${head}.${body}.${signature}`;
}

/** A token service whose answers the test decides: put in the place of the worker's way to the network. */
class Service {
  readonly worker: Worker;
  readonly stack: Stack;

  private constructor(worker: Worker, stack: Stack) {
    this.worker = worker;
    this.stack = stack;
  }

  static async standIn(browser: Browser, stack: Stack) {
    const worker = browser.context.serviceWorkers()[0] ?? await browser.context.waitForEvent('serviceworker');
    await worker.evaluate((url: string) => {
      const network = self.fetch.bind(self);
      self.__service = { asked: 0, delay: 0, status: 503, body: '' };
      self.fetch = async (target, init) => {
        if (target !== url) return network(target, init);
        self.__service.asked++;
        const { status, body, delay } = self.__service;
        await new Promise(resolve => setTimeout(resolve, delay));
        return new Response(body, { status, headers: { 'content-type': 'application/json' } });
      };
    }, stack.token_url);
    return new Service(worker, stack);
  }

  #says = (answer: Partial<typeof __service>) => this.worker.evaluate(answer => Object.assign(self.__service, answer), answer);

  mintsFor = (identity: string, delay = 0) => this.#says({
    status: 200, delay,
    body: JSON.stringify({ identity, account_sid: this.stack.account.account_sid, token: mint(this.stack, identity), expires_in: 3600 }),
  });

  refuses = (status: number, code: string) => this.#says({ status, delay: 0, body: JSON.stringify({ code, message: 'no', request_id: 'r' }) });

  asked = () => this.worker.evaluate(() => self.__service.asked);
}

/** The identities that a page was told, and how often that it is registered or has a call. */
const told = async (probe: Probe<Page>) => {
  const all = (await probe.page.evaluate(() => window.__in)).map(({ payload }) => payload ?? {});
  return {
    identities: [...new Set(all.map(({ voiceClientIdentity }) => voiceClientIdentity).filter(Boolean))],
    registered: all.filter(({ registered }) => registered).length,
    calls: all.filter(({ call }) => call).length,
  };
};

async function extensionPage(browser: Browser) {
  const page = await browser.context.newPage();
  await page.goto(browser.extensionUrl('options.html'));
  return page;
}

/** Ann works here, and closes her tab. */
async function annWasHere({ driven, stack, switchboard }: { driven: Browser; stack: Stack; switchboard: Switchboard }) {
  const service = await Service.standIn(driven, stack);
  await service.mintsFor(ANN);
  const ann = await Probe.open(driven.context, stack, switchboard);
  expect((await ann.register()).voiceClientIdentity).toBe(ANN);
  await ann.page.close();
  return service;
}

test("at a change of shift the next agent's page is told of nobody but themselves", async ({ driven, stack, switchboard }) => {
  const service = await annWasHere({ driven, stack, switchboard });
  const mine = stack.account.extension_identity;
  await service.mintsFor(mine, 300);
  await switchboard.setActivity('Available');

  // What Flex tells TaskRouter of the next agent, all the time.
  const addresses = new Set();
  let watching = true;
  const watch = (async () => {
    while (watching) {
      addresses.add(JSON.parse((await switchboard.agent()).attributes).contact_uri);
      await sleep(15);
    }
  })();
  const flex = await FlexPage.open(driven.context);
  await flex.untilActivity('Available');
  await until('the next agent to have an address of their own', () => addresses.has(`client:${mine}`));
  watching = false;
  await watch;
  expect([...addresses]).not.toContain(`client:${ANN}`);
  await flex.page.close();

  // And back again, to pages that play an older plugin and one that names its agent.
  for (const [identity, agentIdentity] of [[ANN, undefined], [mine, mine.slice('ext_'.length)]] as const) {
    await service.mintsFor(identity, 300);
    const probe = await Probe.open(driven.context, stack, switchboard);
    await probe.configure({ protocolVersion: 3, agentIdentity });
    await probe.wait('CONFIGURED');
    await probe.sendFlexToken({ agentIdentity });
    await probe.wait('HEARTBEAT', beat => beat.registered, { timeout: 20_000 });
    expect((await told(probe)).identities).toEqual([identity]);
    await probe.page.close();
  }
});

test('the next agent whom the token service refuses, or cannot judge, is not called as the one before', async ({ driven, stack, switchboard }) => {
  const service = await annWasHere({ driven, stack, switchboard });
  const options = await extensionPage(driven);
  for (const [status, code] of [[403, 'role_not_allowed'], [503, 'upstream_unavailable']] as const) {
    await service.refuses(status, code);
    const before = await service.asked();
    const probe = await Probe.open(driven.context, stack, switchboard);
    await probe.configure();
    await probe.wait('CONFIGURED');
    await probe.sendFlexToken();
    await until('the token service to be asked', async () => await service.asked() > before);
    const state = await until('nobody to be registered', async () => {
      const now = await uiState(options);
      return !now.registered && now.problem && now;
    });
    expect([state.identity, state.calls]).toEqual([null, []]);
    const { call_sid: sid } = await switchboard.call(`client:${ANN}`);
    const call = await until("the call for the agent before to end", async () => {
      const call = await switchboard.getCall(sid);
      return (call.state === 'ended' || call.answer_ms != null) && call;
    }, { timeout: 60_000 });
    expect(call.answer_ms ?? null).toBe(null);
    expect(await told(probe)).toEqual({ identities: [], registered: 0, calls: 0 });
    await probe.page.close();

    // Ann is back: as ever.
    await service.mintsFor(ANN);
    const ann = await Probe.open(driven.context, stack, switchboard);
    await ann.configure();
    await ann.wait('CONFIGURED');
    await ann.sendFlexToken();
    await ann.wait('HEARTBEAT', beat => beat.registered, { timeout: 90_000 });
    await ann.page.close();
  }
});

test('who signs out has no Device and no caller in the popup, and comes back without a reload', async ({ driven, probe, stack, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const options = await extensionPage(driven);
  const first = await probe.takeCall(identity);
  await switchboard.hangUp(first);
  await until('the call to be over', async () => (await uiState(options)).calls.length === 1);

  for (const reason of ['offline', 'logout']) {
    await probe.send('SIGN_OUT', { reason });
    const state = await until('the registration to be gone', async () => {
      const now = await uiState(options);
      return !now.registered && now;
    });
    expect([state.identity, state.calls, state.flexTokenExpiresAt]).toEqual([null, [], null]);
    const { call_sid: sid } = await switchboard.call(`client:${identity}`, 'client:mallory');
    const call = await until('the call for somebody who has gone to end', async () => {
      const call = await switchboard.getCall(sid);
      return (call.state === 'ended' || call.answer_ms != null) && call;
    }, { timeout: 60_000 });
    expect(call.answer_ms ?? null).toBe(null);

    await probe.configure();
    await probe.send('FLEX_TOKEN', probe.flexToken);
    await until('the agent to be registered again', async () => (await uiState(options)).registered, { timeout: 20_000 });
  }
  const again = await probe.takeCall(identity);
  await switchboard.hangUp(again);
});
