// Plays the whole promise by itself, on real parts, and prints what it measured.
//
//   node --import ts-blank-space/register e2e/demo.ts --stack FILE [--reloads N] [--report FILE] [--picture FILE]
//
// Register, call, accept in Flex, two-way audio, N reloads (each until Flex shows the live call with working
// controls), mute, DTMF, hang up with Flex's own button, wrap up; then a chat with its history, and a chat that goes on as a video call
// with a customer in a Chromium of their own. Exits with 1 when a promise broke.
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { launch, uiState } from './lib/browser.ts';
import { percentile } from './lib/figures.ts';
import { type Report, play, playHistory, playVideo } from './lib/play.ts';
import { Switchboard, readStack, wordsOf } from './lib/stack.ts';

const { values: options } = parseArgs({
  options: {
    stack: { type: 'string' },
    reloads: { type: 'string', default: '5' },
    report: { type: 'string' },
    picture: { type: 'string' },
  },
});
const reloads = Number(options.reloads);
const stack = readStack(options.stack);
const switchboard = new Switchboard(stack);

const report: Report & { ok: boolean; voice_sdk: string | null; worker_ready_ms?: number; broken: string[] } = { ok: false, flex_ui: null, voice_sdk: stack.voice_sdk ?? null, chromium: null, broken: [] };
const started = performance.now();
const say = (text: string) => console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`);
/** Notes a promise; a broken one does not stop the play, so that the report is whole. */
const promise = (holds: boolean, words: string) => {
  if (!holds) report.broken.push(words);
  say(`${holds ? 'ok    ' : 'BROKEN'} ${words}`);
};

/**
 * At its start Chrome keeps an extension waiting for the administrator's policy, for some seconds; ours pins nothing
 * before it. That is no part of what a page's hello takes. Another extension (--extension) is not asked.
 */
async function waitForWorker() {
  if (!fs.existsSync(path.join(stack.extension_dir, 'options.html'))) return;
  const from = performance.now();
  const page = await browser.context.newPage();
  await page.goto(browser.extensionUrl('options.html'));
  await uiState(page);
  await page.close();
  report.worker_ready_ms = Math.round(performance.now() - from);
  say(`the worker has Chrome's word on policy ${report.worker_ready_ms} ms after Chromium's start`);
}

const median = (values: number[]) => percentile(values, 0.5) ?? null;

function table() {
  const row = (name: string, value: string) => console.log(`  ${name.padEnd(44)}${value}`);
  const direction = (one: NonNullable<Report['agent_to_customer']>) => `${one.packets} packets, ${one.lost} lost, largest gap ${one.max_gap_ms} ms, during a reload ${one.max_gap_ms_during_reload ?? '-'} ms`;
  console.log('');
  row('Flex UI / Voice SDK / Chromium', `${report.flex_ui} / ${report.voice_sdk} / ${report.chromium}`);
  row('hello to registered', `${report.registered_ms} ms`);
  row('invite to first audio of the agent', `${report.answer_ms} ms`);
  if (report.recovered_ms?.length) row(`F5 to live call with controls (${report.reloads} reloads)`, `median ${median(report.recovered_ms)} ms, largest ${Math.max(...report.recovered_ms)} ms`);
  if (report.agent_to_customer) row('agent to customer', direction(report.agent_to_customer));
  if (report.customer_to_agent) row('customer to agent', direction(report.customer_to_agent));
  if (report.history) row('click to the first page of chat history', `${report.history.first_page_ms} ms, ${report.history.messages} messages; the agent ${report.history.agent_joined ? 'JOINED' : 'did not join'}`);
  if (report.video) row('tap to both faces / F5 of the customer', `${report.video.joined_ms} ms / ${report.video.rejoined_ms} ms; ${report.video.frames_lost_in_reload} pictures lost over ${report.video.reloads} reloads of Flex`);
  row('digits heard / hung up by', `${report.dtmf_heard ?? '-'} / ${report.hangup_from ?? '-'}`);
  console.log(`\n  ${report.ok ? 'Every promise held.' : `BROKEN: ${report.broken.join('; ')}`}`);
}

const browser = await launch(stack, { camera: stack.video });
try {
  say(`Chromium ${browser.version}, extension ${stack.extension_dir}`);
  await waitForWorker();
  const played = { browser, stack, switchboard, reloads, picture: options.picture, report, promise, say };
  const flex = await play(played);
  if (stack.history) await playHistory(played, flex);
  if (stack.video) await playVideo(played, flex);
} catch (error) {
  const message = wordsOf(error);
  report.broken.push(message);
  say(`BROKEN ${message}`);
  const page = browser.context.pages().at(-1);
  if (options.report) await page?.screenshot({ path: `${options.report}.failure.png` }).catch(() => {});
} finally {
  await browser.close();
}
report.ok = report.broken.length === 0;
table();
if (options.report) fs.writeFileSync(options.report, `${JSON.stringify(report, null, 2)}\n`);
process.exit(report.ok ? 0 : 1);
