import { bar } from '../lib/bars.ts';
import { type Report, play } from '../lib/play.ts';
import { must } from '../lib/stack.ts';
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
  const up = must(report.agent_to_customer, 'figure of what the customer heard');
  const down = must(report.customer_to_agent, 'figure of what the agent heard');
  bar('page reloaded in a call', 'packets lost, both directions', up.lost + down.lost, 0, 'packets');
  bar('page reloaded in a call', 'longest time between packets', Math.max(...[up, down].map(one => must(one.max_gap_ms_during_reload, 'figure of the reloads'))), 40);
  bar('page reloaded in a call', 'call shown after the plugin has loaded', Math.max(...must(report.recovered_after_plugin_ms, 'reload')), 1000);
  expect(broken).toEqual([]);
  expect(report.hangup_from).toBe('agent');
});
