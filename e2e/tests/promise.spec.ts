import { bar } from '../lib/bars.ts';
import { type Report, play } from '../lib/play.ts';
import { expect, test } from '../lib/test.ts';

test('a real call outlives three reloads of the real Flex UI and is ended with its own buttons', { tag: '@alone' }, async ({ driven, stack, switchboard }) => {
  test.setTimeout(240_000);
  const broken: string[] = [];
  const report: Partial<Report> = {};
  await play({
    browser: driven, stack, switchboard, reloads: 3, report,
    // How large a gap is depends on the machine too: `cargo xtask demo` insists on its bar, this test on three times the bar.
    promise: (holds, words, timing = false) => { if (!holds && !timing) broken.push(words); },
    say: text => console.log(`    ${text}`),
  });
  const { agent_to_customer: up, customer_to_agent: down } = report;
  bar('page reloaded in a call', 'packets lost, both directions', up.lost + down.lost, 0, 'packets');
  bar('page reloaded in a call', 'longest time between packets', Math.max(up.max_gap_ms_during_reload, down.max_gap_ms_during_reload), 40);
  bar('page reloaded in a call', 'call shown after the plugin has loaded', Math.max(...report.recovered_after_plugin_ms), 1000);
  expect(broken).toEqual([]);
  expect(report.hangup_from).toBe('agent');
});
