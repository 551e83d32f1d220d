// What answering, muting and hanging up cost until the customer's side sees it.
import { bar } from '../lib/bars.ts';
import { judge, measureCalls } from '../lib/clicks.ts';
import { test } from '../lib/test.ts';

const WORDS = {
  answer_ms: ['call offered', 'first audio of the agent'],
  mute_ms: ['mute clicked', 'silence at the customer'],
  hang_up_ms: ['hang-up clicked', 'call over at the customer'],
};
const SHARES = { p50: 'median', p95: '95 %' };

test('answer, mute and hang-up are seen by the customer at once', { tag: '@alone' }, async ({ driven, probe, switchboard }) => {
  const { voiceClientIdentity: identity } = await probe.register();
  const popup = await driven.context.newPage();
  await popup.goto(driven.extensionUrl('popup.html'));
  const figures = judge(await measureCalls({ probe, popup, identity, switchboard, runs: 6 }));
  for (const name of ['answer_ms', 'mute_ms', 'hang_up_ms'] as const) {
    const { bar: bars, ...measured } = figures[name];
    const [event, measure] = WORDS[name];
    for (const share of ['p50', 'p95'] as const) {
      const limit = bars[share];
      if (limit !== undefined) bar(event, `${measure}, ${SHARES[share]}`, measured[share], limit);
    }
  }
});
