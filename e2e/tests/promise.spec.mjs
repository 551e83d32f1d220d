import { play } from '../lib/play.mjs';
import { expect, test } from '../lib/test.mjs';

test('a real call outlives three reloads of the real Flex UI and is ended with its own buttons', async ({ driven, stack, switchboard }) => {
  test.setTimeout(240_000);
  const broken = [];
  const report = {};
  await play({
    browser: driven, stack, switchboard, reloads: 3, report,
    promise: (holds, words) => { if (!holds) broken.push(words); },
    say: text => console.log(`    ${text}`),
  });
  expect(broken).toEqual([]);
  expect(report.hangup_from).toBe('agent');
});
