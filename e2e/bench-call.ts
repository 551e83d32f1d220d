// What an agent's click costs, over N calls (lib/clicks.ts).
//
//   node --import ts-blank-space/register e2e/bench-call.ts --stack FILE --runs N --json
//
// The last line is one JSON object, with the bars that hold and those that do not.
import { parseArgs } from 'node:util';
import { launch } from './lib/browser.ts';
import { judge, measureCalls } from './lib/clicks.ts';
import { Probe } from './lib/probe.ts';
import { Switchboard, readStack } from './lib/stack.ts';

const { values: options } = parseArgs({
  options: { stack: { type: 'string' }, runs: { type: 'string', default: '20' }, json: { type: 'boolean', default: false } },
});
const runs = Number(options.runs);
const say = (text: string) => console.error(text);
const stack = readStack(options.stack);
const switchboard = new Switchboard(stack);
await switchboard.reset();
const browser = await launch(stack);
let figures: ReturnType<typeof judge>;
try {
  const probe = await Probe.open(browser.context, stack, switchboard);
  const { voiceClientIdentity: identity } = await probe.register();
  const popup = await browser.context.newPage();
  await popup.goto(browser.extensionUrl('popup.html'));
  figures = judge(await measureCalls({ probe, popup, identity, switchboard, runs, say }));
} finally {
  await browser.close();
}
for (const [name, { p50, p95, bar, holds }] of Object.entries(figures)) {
  say(`${name}: median ${p50}, p95 ${p95} (bar: ${JSON.stringify(bar)}): ${holds ? 'held' : 'missed'}`);
}
console.log(JSON.stringify({ runs, ...figures }));
