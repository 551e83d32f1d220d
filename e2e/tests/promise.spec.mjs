import { play } from '../lib/play.mjs';
import { expect, test } from '../lib/test.mjs';

test('a real call outlives three reloads of the real Flex UI and is ended with its own buttons', async ({ driven, stack, switchboard }) => {
  test.setTimeout(240_000);
  const broken = [];
  const report = {};
  await play({
    browser: driven, stack, switchboard, reloads: 3, report,
    // How large a gap is hangs on the machine too: `cargo xtask demo` insists on it, a test on a busy machine does not.
    promise: (holds, words, timing = false) => { if (!holds && !timing) broken.push(words); },
    say: text => console.log(`    ${text}`),
  });
  expect(broken).toEqual([]);
  expect(report.hangup_from).toBe('agent');
});
