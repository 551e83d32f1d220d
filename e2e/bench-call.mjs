// What an agent's click costs, as the customer's side sees it, over N calls: invite to first packet, mute to silence,
// hang-up to the end of the call.
//
//   node e2e/bench-call.mjs --stack FILE --runs N --json
//
// The last line is one JSON object, with the bars that hold and those that do not.
import { parseArgs } from 'node:util';
import { launch } from './lib/browser.mjs';
import { Probe } from './lib/probe.mjs';
import { Switchboard, readStack, sleep, until } from './lib/stack.mjs';

const { values: options } = parseArgs({
  options: { stack: { type: 'string' }, runs: { type: 'string', default: '20' }, json: { type: 'boolean', default: false } },
});
const runs = Number(options.runs);
const say = text => console.error(text);

/** What is promised, in milliseconds, for each figure's median or 95th percentile. */
const BARS = {
  answer_ms: { p50: 300, p95: 600 },
  mute_ms: { p50: 60, p95: 60 },
  hang_up_ms: { p95: 150 },
};

const stack = readStack(options.stack);
const switchboard = new Switchboard(stack);
await switchboard.reset();
const browser = await launch(stack);
const samples = { answer_ms: [], mute_ms: [], hang_up_ms: [] };

/** How far the sandbox's clock is from ours: the middle of the quickest of some readings. */
async function clockOffset() {
  const readings = [];
  for (let n = 0; n < 10; n++) {
    const before = Date.now();
    const { now_ms: theirs } = await switchboard.state();
    const after = Date.now();
    readings.push({ took: after - before, offset: (before + after) / 2 - theirs });
  }
  return readings.sort((a, b) => a.took - b.took)[0].offset;
}

try {
  const probe = await Probe.open(browser.context, stack, switchboard);
  const { voiceClientIdentity: identity } = await probe.register();
  const popup = await browser.context.newPage();
  await popup.goto(browser.extensionUrl('popup.html'));
  /** Clicks a button in the popup, and says when. */
  const click = async selector => {
    await popup.locator(selector).waitFor();
    return popup.evaluate(button => {
      const at = Date.now();
      document.querySelector(button).click();
      return at;
    }, selector);
  };
  for (let run = 1; run <= runs; run++) {
    const sid = await probe.takeCall(identity);
    const { answer_ms: answer } = await switchboard.getCall(sid);
    await until('the tone', async () => (await switchboard.getCall(sid)).agent_to_customer.rms > 200);
    const offset = await clockOffset();
    const mutedAt = await click('#mute');
    const quiet = await until('silence', async () => (await switchboard.getCall(sid)).agent_to_customer.quiet_since_ms);
    await sleep(200);
    const hungUpAt = await click('#hang-up');
    const ended = await until('the end of the call', async () => {
      const now = await switchboard.getCall(sid);
      return now.ended_by === 'agent' && now.ended_ms;
    });
    await probe.waitState('the call to be gone', ({ call }) => call == null);
    samples.answer_ms.push(answer);
    samples.mute_ms.push(quiet + offset - mutedAt);
    samples.hang_up_ms.push(ended + offset - hungUpAt);
    say(`${run}/${runs}: answered ${answer} ms, muted ${samples.mute_ms.at(-1).toFixed(0)} ms, hung up ${samples.hang_up_ms.at(-1).toFixed(0)} ms`);
    await sleep(800);
  }
} finally {
  await browser.close();
}

const result = { runs };
for (const [name, values] of Object.entries(samples)) {
  const sorted = values.map(value => Math.round(value)).sort((a, b) => a - b);
  const at = share => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  const figures = { p50: at(0.5), p95: at(0.95), max: sorted.at(-1) };
  const misses = Object.entries(BARS[name]).filter(([share, bar]) => figures[share] > bar);
  result[name] = { ...figures, bar: BARS[name], holds: misses.length === 0 };
  say(`${name}: median ${figures.p50}, p95 ${figures.p95} (bar: ${JSON.stringify(BARS[name])}): ${misses.length ? 'missed' : 'held'}`);
}
console.log(JSON.stringify(result));
