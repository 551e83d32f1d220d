// Call after call, with a killed worker and a reloaded page at random moments; then counts what was lost.
//
//   node --import ts-blank-space/register e2e/soak.ts --stack FILE --calls N [--kill-worker] [--reload] [--seed S] [--json]
//
// The real Flex UI with the real plugin, and nothing ever attached to the extension's worker. A call is *lost* when it
// was offered to a registered client and was not answered, or when it ended before somebody hung up. A state is *stuck*
// when worker, page and sandbox do not agree within 15 s that the call is over and that the client is registered.
// Progress goes to standard error; the last line on standard output is one JSON object.
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { start } from './lib/cdp.ts';
import { uiState } from './lib/browser.ts';
import { answerConsentBare } from './lib/consent.ts';
import { percentile } from './lib/figures.ts';
import { DESKTOP, OBSERVE } from './lib/flex.ts';
import { Probe } from './lib/probe.ts';
import { Switchboard, must, readStack, sleep, until, wordsOf } from './lib/stack.ts';

const { values: options } = parseArgs({
  options: {
    stack: { type: 'string' },
    calls: { type: 'string', default: '200' },
    'kill-worker': { type: 'boolean', default: false },
    reload: { type: 'boolean', default: false },
    seed: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const CALLS = Number(options.calls);
const seed = options.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(options.seed);
/** How many calls at each end are compared. */
const EDGE = Math.min(20, Math.max(1, Math.floor(CALLS / 4)));
const SETTLED_MS = 15_000;
const say = (text: string) => console.error(text);

/** mulberry32: the same seed plays the same calls. */
function generator(state: number) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
const random = generator(seed);
const between = (low: number, high: number) => low + random() * (high - low);
const pick = <One>(list: One[]) => list[Math.floor(random() * list.length)];

/** Private memory, in MB, of the process that runs the extension's worker and its offscreen document. */
function extensionMemory(browserPid: number) {
  const processes = fs.readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(pid => {
    try {
      const [, , ...fields] = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/\(.*\)/, 'x').split(' ');
      return [{ pid: Number(pid), parent: Number(fields[1]), command: fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8') }];
    } catch {
      return [];
    }
  });
  const family = new Set([browserPid]);
  for (let grown = true; grown;) {
    grown = false;
    for (const { pid, parent } of processes) {
      if (family.has(parent) && !family.has(pid)) grown = Boolean(family.add(pid));
    }
  }
  const own = processes.filter(({ pid, command }) => family.has(pid) && command.includes('--extension-process'));
  let kilobytes = 0;
  for (const { pid } of own) {
    const rollup = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    for (const [, kb] of rollup.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB/gm)) kilobytes += Number(kb);
  }
  if (kilobytes === 0) throw new Error('the extension has no process of its own');
  return kilobytes / 1024;
}

const median = (list: number[]) => percentile(list, 0.5);

const stack = readStack(options.stack);
const switchboard = new Switchboard(stack);
await switchboard.reset();
const chromium = await start(stack);
const browserPid = must(chromium.pid, 'process of Chromium');
const tally = { calls: 0, lost: 0, stuck: 0, kills: 0, reloads: 0 };
const memory: Record<'first' | 'last', number[]> = { first: [], last: [] };
const answers: number[] = [];
try {
  const extension = await chromium.page();
  await extension.goto(`chrome-extension://${stack.extension_id}/options.html`);
  const flex = await chromium.page();
  await flex.send('Page.addScriptToEvaluateOnNewDocument', { source: OBSERVE });
  await flex.goto(DESKTOP);
  await answerConsentBare(chromium, `chrome-extension://${stack.extension_id}/popup.html`);
  const state = () => uiState(extension);
  const registered = await until('the client to be registered', async () => {
    const now = await state();
    return now.registered && now;
  }, { timeout: 60_000, every: 200 });
  const { identity } = registered;
  // Flex knows nothing of calls that come without a task. With a page of an older contract open, they are expected.
  await (await Probe.openBare(chromium, stack, switchboard)).register();

  /** What the page was last told; `null` while it boots. */
  const page = () => flex.evaluate(() => window.__seen?.last ?? null).catch(() => null);
  const idle = ({ timeout = SETTLED_MS } = {}) => until('everybody to agree that the call is over', async () => {
    const [worker, tab] = [await state(), await page()];
    const flexCall = await flex.evaluate(() =>
      Boolean(globalThis.Twilio?.Flex?.Manager?.getInstance?.()?.store?.getState()?.flex?.phone?.activeCall));
    return (worker.registered && worker.call == null && tab?.registered && tab.call == null && !flexCall);
  }, { timeout, every: 100 });
  const kill = async () => {
    await chromium.killWorker(extension);
    tally.kills++;
  };
  const reload = async () => {
    tally.reloads++;
    await flex.reload();
  };
  const disturbances = [...(options['kill-worker'] ? [kill] : []), ...(options.reload ? [reload] : [])];
  /** Nothing, or one or two disturbances, each in its own random moment of the call. */
  const disturb = () => disturbances.filter(() => random() < 0.6).map(async what => {
    await sleep(between(0, 2500));
    await what();
  });

  const hangUps = {
    customer: (sid: string) => switchboard.hangUp(sid),
    flex: () => until('Flex to have its active call', () => flex.evaluate(() => {
      const call = globalThis.Twilio?.Flex?.Manager?.getInstance?.()?.store?.getState()?.flex?.phone?.activeCall;
      call?.disconnect();
      return Boolean(call);
    }).catch(() => false), { timeout: 30_000 }),
    popup: () => extension.evaluate(() => {
      const port = chrome.runtime.connect({ name: 'popup' });
      port.postMessage({ type: 'hangUp' });
    }),
  };

  for (let n = 1; n <= CALLS; n++) {
    const { call_sid: sid } = await switchboard.call(`client:${identity}`);
    tally.calls++;
    const trouble = Promise.all(disturb());
    let outcome = 'ok';
    try {
      const answered = await until('the call to be answered', async () => {
        const call = await switchboard.getCall(sid);
        if (call.ended_by) throw new Error(`it ended before: ${call.ended_by}`);
        return call.answer_ms != null && { answer_ms: call.answer_ms };
      }, { timeout: 20_000 });
      answers.push(answered.answer_ms);
      await trouble;
      await sleep(between(200, 1200));
      const before = await switchboard.getCall(sid);
      await sleep(400);
      const after = await switchboard.getCall(sid);
      if (after.ended_by || after.agent_to_customer.packets <= before.agent_to_customer.packets) {
        throw new Error(after.ended_by ? `it was ended by ${after.ended_by}` : 'no audio from the agent');
      }
    } catch (error) {
      outcome = `lost (${wordsOf(error)})`;
      tally.lost++;
      await trouble.catch(() => {});
    }
    const by = pick(Object.keys(hangUps) as (keyof typeof hangUps)[]);
    try {
      if (outcome === 'ok') await hangUps[by](sid);
      await until('the call to end', async () => (await switchboard.getCall(sid)).ended_by, { timeout: SETTLED_MS });
      await idle();
    } catch (error) {
      if (outcome === 'ok') outcome = `stuck (${wordsOf(error)})`;
      tally.stuck++;
      say(`call ${n}/${CALLS}, hung up by ${by}: ${outcome}; worker ${JSON.stringify((await state().catch(() => null))?.call ?? null)}, page ${JSON.stringify(await page().catch(() => null))}`);
      await switchboard.hangUp(sid).catch(() => {});
      // Whatever it was: the next call starts from rest, or the run is of no use any more.
      await idle({ timeout: 4 * SETTLED_MS });
    }
    // The agent wraps up.
    await sleep(between(300, 2500));
    if (n <= EDGE) memory.first.push(extensionMemory(browserPid));
    if (n > CALLS - EDGE) memory.last.push(extensionMemory(browserPid));
    if (outcome !== 'ok' || n % 10 === 0) say(`call ${n}/${CALLS}, hung up by ${by}: ${outcome}; ${JSON.stringify(tally)}`);
  }
  const [first, last] = [median(memory.first), median(memory.last)];
  if (!options.json) say(`the extension's private memory: ${first.toFixed(1)} MB in the first ${EDGE} calls, ${last.toFixed(1)} MB in the last ${EDGE} (medians)`);
  if (!options.json) say(`answered in ${median(answers)} ms (median)`);
  const { calls, lost, stuck, kills, reloads } = tally;
  console.log(JSON.stringify({ calls, lost, stuck, kills, reloads, memory_growth_pct: Number((100 * (last / first - 1)).toFixed(1)), seed }));
  if (lost || stuck) process.exitCode = 1;
} finally {
  await chromium.close();
}
