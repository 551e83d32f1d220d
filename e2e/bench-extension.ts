// Measures what the extension costs a browser, and how fast its worker is there.
//
//   node --import ts-blank-space/register e2e/bench-extension.ts --stack FILE [--runs N] [--json]
//
// cold start   a message to a dead worker: until Rust runs, and until the answer is back
// recovery     a registered worker is killed: until the gateway has confirmed the registration again
// page load    the content script's compile and run time on a page of Flex's origin, from Chromium's own trace
// sizes        what is downloaded, in bytes, as it is and gzipped
// Nothing is attached to the worker. The last line is one JSON object.
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { parseArgs } from 'node:util';
import { type Chromium, start } from './lib/cdp.ts';
import { uiState } from './lib/browser.ts';
import { percentile } from './lib/figures.ts';
import { ORIGIN, PROBE_HTML, Probe } from './lib/probe.ts';
import { Switchboard, readStack, sleep, until } from './lib/stack.ts';

const { values: options } = parseArgs({
  options: { stack: { type: 'string' }, runs: { type: 'string', default: '30' }, json: { type: 'boolean', default: false } },
});
const runs = Number(options.runs);
const stack = readStack(options.stack);
const switchboard = new Switchboard(stack);
const say = (text: string) => { if (!options.json) console.error(text); };

function summary(values: number[]) {
  const at = (share: number) => Number(percentile(values, share).toFixed(2));
  return { median: at(0.5), p95: at(0.95), runs: values.length };
}

/** The options page without its script: nothing in it wakes the worker but what is measured. */
async function quietPage(chromium: Chromium) {
  const page = await chromium.page();
  await page.send('Network.enable');
  await page.send('Network.setBlockedURLs', { urls: ['*page.js'] });
  await page.goto(`chrome-extension://${stack.extension_id}/options.html`);
  return page;
}

async function coldStart(chromium: Chromium) {
  const page = await quietPage(chromium);
  const [toRust, toAnswer, warm]: [number[], number[], number[]] = [[], [], []];
  await uiState(page);
  for (let run = 0; run < runs; run++) {
    await chromium.killWorker(page);
    await sleep(100);
    const ask = () => page.evaluate(() => new Promise<{ rust: number; answer: number }>(resolve => {
      const from = performance.now();
      const wall = performance.timeOrigin + from;
      const port = chrome.runtime.connect({ name: 'popup' });
      port.onMessage.addListener(message => {
        if (message.type !== 'state') return;
        const answer = performance.now() - from;
        port.disconnect();
        resolve({ rust: message.state.workerStartedAt - wall, answer });
      });
    }));
    const cold = await ask();
    toRust.push(cold.rust);
    toAnswer.push(cold.answer);
    warm.push((await ask()).answer);
  }
  await page.close();
  return { to_rust_ms: summary(toRust), to_answer_ms: summary(toAnswer), warm_answer_ms: summary(warm) };
}

async function recovery(chromium: Chromium) {
  const probe = await Probe.openBare(chromium, stack, switchboard);
  await probe.register();
  const page = await quietPage(chromium);
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    await chromium.killWorker(page);
    const from = performance.now();
    await until('the registration to be back', async () => (await uiState(page)).registered, { timeout: 30_000, every: 10 });
    times.push(performance.now() - from);
    await sleep(300);
  }
  await probe.page.close();
  await page.close();
  return { kill_to_registered_ms: summary(times) };
}

async function pageLoad(chromium: Chromium) {
  const page = await chromium.page();
  await page.serve(ORIGIN, PROBE_HTML);
  const loads: number[] = [];
  for (let run = 0; run < runs; run++) {
    const events = await chromium.trace(['devtools.timeline', 'v8', 'disabled-by-default-v8.compile'], async () => {
      await page.goto(`${ORIGIN}/probe?${run}`);
      await sleep(150);
    });
    const own = events.filter(({ ph, name, args }) => ph === 'X' && ['EvaluateScript', 'v8.compile'].includes(name)
      && String(args?.data?.url ?? args?.fileName ?? '').endsWith('/content.js'));
    const of = (wanted: string) => own.filter(({ name }) => name === wanted).reduce((sum, { dur }) => sum + dur / 1000, 0);
    // Compiling is part of evaluating, in Chromium's trace as in its code.
    loads.push(Math.max(of('EvaluateScript'), of('v8.compile')));
  }
  await page.close();
  if (!loads.some(ms => ms > 0)) throw new Error('the content script does not appear in the trace');
  return { content_script_ms: summary(loads) };
}

function sizes() {
  const of = (root: string, files: string[]) => Object.fromEntries(files.filter(file => fs.existsSync(path.join(root, file))).map(file => {
    const bytes = fs.readFileSync(path.join(root, file));
    return [path.basename(file), { bytes: bytes.length, gzip: zlib.gzipSync(bytes, { level: 9 }).length }];
  }));
  const extension = fs.readdirSync(stack.extension_dir, { recursive: true, encoding: 'utf8' })
    .filter(file => /\.(js|wasm)$/.test(file) && fs.statSync(path.join(stack.extension_dir, file)).isFile());
  return { ...of(stack.extension_dir, extension.sort()), ...of(path.dirname(stack.plugin), [path.basename(stack.plugin)]) };
}

await switchboard.reset();
const chromium = await start(stack);
const result: Partial<{
  cold_start: Awaited<ReturnType<typeof coldStart>>;
  page_load: Awaited<ReturnType<typeof pageLoad>>;
  recovery: Awaited<ReturnType<typeof recovery>>;
  sizes: ReturnType<typeof sizes>;
}> = {};
try {
  result.cold_start = await coldStart(chromium);
  say(`a message to a dead worker: Rust runs after ${result.cold_start.to_rust_ms.median} ms, the answer is back after ${result.cold_start.to_answer_ms.median} ms (warm: ${result.cold_start.warm_answer_ms.median} ms)`);
  result.page_load = await pageLoad(chromium);
  say(`the content script costs a page ${result.page_load.content_script_ms.median} ms`);
  result.recovery = await recovery(chromium);
  say(`a killed worker is registered again after ${result.recovery.kill_to_registered_ms.median} ms, p95 ${result.recovery.kill_to_registered_ms.p95} ms`);
} finally {
  await chromium.close();
}
result.sizes = sizes();
for (const [name, { bytes, gzip }] of Object.entries(result.sizes)) say(`${String(bytes).padStart(9)} bytes  ${String(gzip).padStart(8)} gzipped  ${name}`);
console.log(JSON.stringify(result));
