// Measures answer_ms (gateway's `invite` to the first RTP packet from the agent) over N calls.
//
//   node --import ts-blank-space/register e2e/bench-answer.ts --stack FILE --runs N [--vs-stack FILE] --json
//
// With --vs-stack another unpacked extension is measured in turn, each against a stack and in a Chromium of its own, so
// that a drift of the machine's speed meets both alike. The last line is one JSON object.
import { parseArgs } from 'node:util';
import { type Browser, launch } from './lib/browser.ts';
import { percentile } from './lib/figures.ts';
import { FlexPage } from './lib/flex.ts';
import { Probe } from './lib/probe.ts';
import { type Stack, Switchboard, must, readStack, sleep, until } from './lib/stack.ts';

const { values: options } = parseArgs({
  options: {
    stack: { type: 'string' },
    runs: { type: 'string', default: '10' },
    'vs-stack': { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const runs = Number(options.runs);
const say = (text: string) => console.error(text);

/** A Flex tab with a registered extension, which answers one call at a time. */
class Contender {
  readonly name: string;
  readonly stack: Stack;
  readonly switchboard: Switchboard;
  readonly samples: number[];
  browser?: Browser;
  flex?: FlexPage;
  identity?: string;

  constructor(name: string, stack: Stack) {
    this.name = name;
    this.stack = stack;
    this.switchboard = new Switchboard(stack);
    this.samples = [];
  }

  async start() {
    const browser = (this.browser = await launch(this.stack));
    this.flex = await FlexPage.open(browser.context);
    const { voiceClientIdentity: identity, protocolVersion } = await this.flex.beat();
    this.identity = identity;
    if (protocolVersion >= 3) {
      // Flex knows nothing of calls that come without a task. With a page of an older contract open, they are expected.
      await (await Probe.open(browser.context, this.stack, this.switchboard)).register();
    }
    // The extension's own word may come before the gateway's: only then do calls arrive.
    await until(`${this.name} to be registered`, async () =>
      (await this.switchboard.state()).sockets.some(({ identity, registered }) => identity === this.identity && registered));
    // No agent is called in the second in which their browser has started.
    await sleep(2000);
  }

  async measure() {
    const flex = must(this.flex, 'Flex tab');
    const { call_sid: sid } = await this.switchboard.call(`client:${this.identity}`);
    const answered = await until(`${this.name} to answer`, async () => {
      const now = await this.switchboard.getCall(sid);
      return now.answer_ms != null && { answer_ms: now.answer_ms };
    }, { timeout: 20_000 });
    this.samples.push(answered.answer_ms);
    await sleep(400);
    await this.switchboard.hangUp(sid);
    await until(`${this.name} to be idle again`, async () => (await flex.beat()).call == null, { timeout: 10_000 });
    await sleep(600);
  }

  async stop() {
    await this.browser?.close();
  }

  summary() {
    return { median_ms: percentile(this.samples, 0.5), p90_ms: percentile(this.samples, 0.9), runs: this.samples.length };
  }
}

// One browser at a time, so that the two do not compete for the machine: each contender is started, measured for one
// block of calls, and stopped, in alternation.
const ours = new Contender('holdfast', readStack(options.stack));
const other = options['vs-stack'] ? new Contender('other', readStack(options['vs-stack'])) : null;
const contenders = other ? [ours, other] : [ours];
const block = other ? Math.max(1, Math.ceil(runs / 4)) : runs;
while (contenders.some(one => one.samples.length < runs)) {
  for (const one of contenders) {
    await one.start();
    try {
      for (let i = 0; i < block && one.samples.length < runs; i++) {
        await one.measure();
        say(`${one.name} ${one.samples.length}/${runs}: ${one.samples.at(-1)} ms`);
      }
    } finally {
      await one.stop();
    }
  }
}
type Summary = ReturnType<Contender['summary']>;
const result: { ours: Summary; other: Summary | null; ratio?: number | null } = { ours: ours.summary(), other: other?.summary() ?? null };
result.ratio = result.other ? Number((result.ours.median_ms / result.other.median_ms).toFixed(3)) : null;
if (!options.json) say(`median ${result.ours.median_ms} ms, p90 ${result.ours.p90_ms} ms over ${result.ours.runs} calls`);
console.log(JSON.stringify(result));
