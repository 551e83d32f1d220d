// What an agent's click costs, as the customer's side sees it: invite to first packet, mute to silence, hang-up to the
// end of the call.
import type { Page } from 'playwright-core';
import { percentile } from './figures.ts';
import type { Probe } from './probe.ts';
import { type Switchboard, must, sleep, until } from './stack.ts';

type Figure = 'answer_ms' | 'mute_ms' | 'hang_up_ms';
type Samples = Record<Figure, number[]>;

/** What is promised, in milliseconds, for the median or the 95th percentile. */
export const BARS: Record<Figure, { p50?: number; p95: number }> = {
  answer_ms: { p50: 300, p95: 600 },
  mute_ms: { p50: 60, p95: 60 },
  hang_up_ms: { p95: 150 },
};

/** How far the sandbox's clock is from ours: the middle of the quickest of some readings. */
async function clockOffset(switchboard: Switchboard) {
  const readings = [];
  for (let n = 0; n < 10; n++) {
    const before = Date.now();
    const { now_ms: theirs } = await switchboard.clock();
    const after = Date.now();
    readings.push({ took: after - before, offset: (before + after) / 2 - theirs });
  }
  return readings.sort((a, b) => a.took - b.took)[0].offset;
}

/** Clicks a button in a page of the extension, and says when. */
async function click(page: Page, selector: string) {
  await page.locator(selector).waitFor();
  return page.evaluate(button => {
    const at = Date.now();
    document.querySelector<HTMLElement>(button)!.click();
    return at;
  }, selector);
}

/** Takes `runs` calls with a registered probe, mutes and hangs up each in the popup: each figure's values. */
export async function measureCalls({ probe, popup, identity, switchboard, runs, say = () => {} }: {
  probe: Probe; popup: Page; identity: string; switchboard: Switchboard; runs: number; say?: (words: string) => void;
}) {
  const samples: Samples = { answer_ms: [], mute_ms: [], hang_up_ms: [] };
  for (let run = 1; run <= runs; run++) {
    const sid = await probe.takeCall(identity);
    const { answer_ms: answer } = await switchboard.getCall(sid);
    await until('the tone', async () => (await switchboard.getCall(sid)).agent_to_customer.rms > 200);
    const offset = await clockOffset(switchboard);
    const mutedAt = await click(popup, '#mute');
    const quiet = await until('silence', async () => (await switchboard.getCall(sid)).agent_to_customer.quiet_since_ms);
    await sleep(200);
    const hungUpAt = await click(popup, '#hang-up');
    const ended = await until('the end of the call', async () => {
      const now = await switchboard.getCall(sid);
      return now.ended_by === 'agent' && now.ended_ms;
    });
    await probe.waitState('the call to be gone', ({ call }) => call == null);
    samples.answer_ms.push(must(answer, 'answer of the agent'));
    samples.mute_ms.push(quiet + offset - mutedAt);
    samples.hang_up_ms.push(ended + offset - hungUpAt);
    say(`${run}/${runs}: answered ${answer} ms, muted ${samples.mute_ms.at(-1)!.toFixed(0)} ms, hung up ${samples.hang_up_ms.at(-1)!.toFixed(0)} ms`);
    await sleep(800);
  }
  return samples;
}

type Verdict = { p50: number; p95: number; max: number; bar: { p50?: number; p95: number }; holds: boolean };

/** Each figure's median, 95th percentile and largest value, and whether its bars hold. */
export function judge(samples: Samples): Record<Figure, Verdict> {
  return Object.fromEntries(Object.entries(samples).map(([name, values]) => {
    const figures: Record<string, number> = { p50: percentile(values, 0.5), p95: percentile(values, 0.95), max: Math.max(...values) };
    for (const share of Object.keys(figures)) figures[share] = Math.round(figures[share]);
    const holds = Object.entries(BARS[name as Figure]).every(([share, limit]) => figures[share] <= limit);
    return [name, { ...figures, bar: BARS[name as Figure], holds }];
  })) as Record<Figure, Verdict>;
}
