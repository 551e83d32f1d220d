// A Chromium driven by bare DevTools commands that attaches only to the pages it opens and never to the service
// worker: an attached debugger keeps a worker alive and hides every bug of its lifetime.
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { chromiumArgs, scratch } from './browser.ts';
import type { Pulse } from './pulse.ts';
import { type Stack, sleep, until } from './stack.ts';

/** An answer or an event; what is in it depends on the method, and is taken on trust. */
interface Message {
  id?: number;
  method?: string;
  sessionId?: string;
  params?: unknown;
  result?: unknown;
  error?: { message: string };
}

interface Target {
  targetId: string;
  type: string;
  url: string;
}

/** An event of Chromium's own trace. */
export interface TraceEvent {
  ph: string;
  name: string;
  dur: number;
  args?: { data?: { url?: string }; fileName?: string };
}

/** Commands and events over Chromium's debugging pipe: JSON, each message ended by a zero byte. */
class Pipe {
  #next = 0;
  #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void; method: string }>();
  #listeners = new Set<(message: Message) => void>();
  #rest = '';
  readonly write: NodeJS.WritableStream;

  constructor(write: NodeJS.WritableStream, read: NodeJS.ReadableStream) {
    this.write = write;
    read.setEncoding('utf8');
    read.on('data', chunk => {
      const parts = (this.#rest + chunk).split('\0');
      this.#rest = parts.pop()!;
      for (const part of parts) this.#take(JSON.parse(part));
    });
  }

  #take(message: Message) {
    const waiting = message.id === undefined ? undefined : this.#waiting.get(message.id);
    if (message.id === undefined || !waiting) return void this.#listeners.forEach(listener => listener(message));
    this.#waiting.delete(message.id);
    if (message.error) waiting.reject(new Error(`${waiting.method}: ${message.error.message}`));
    else waiting.resolve(message.result);
  }

  send<Answer>(method: string, params: object = {}, sessionId?: string): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      const id = ++this.#next;
      this.#waiting.set(id, { resolve: result => resolve(result as Answer), reject, method });
      this.write.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  on(listener: (message: Message) => void) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** One page; evaluate runs a function in it and gives back its JSON-able result. */
export class BarePage {
  readonly pipe: Pipe;
  readonly targetId: string;
  readonly sessionId: string;

  constructor(pipe: Pipe, targetId: string, sessionId: string) {
    this.pipe = pipe;
    this.targetId = targetId;
    this.sessionId = sessionId;
  }

  send = <Answer>(method: string, params?: object) => this.pipe.send<Answer>(method, params, this.sessionId);

  async goto(url: string) {
    const { errorText } = await this.send<{ errorText?: string }>('Page.navigate', { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await until(`${url} to load`, () => this.evaluate(() => document.readyState === 'complete'));
  }

  async reload() {
    await this.evaluate(() => { window.__old = true; });
    await this.send('Page.reload');
    await until('the page to reload', () => this.evaluate(() => !window.__old && document.readyState === 'complete'));
  }

  async evaluate<Result, Given extends unknown[]>(script: (...args: Given) => Result, ...args: Given): Promise<Awaited<Result>> {
    const { result, exceptionDetails } = await this.send<{ result: { value: Awaited<Result> }; exceptionDetails?: { text: string; exception?: { description?: string } } }>('Runtime.evaluate', {
      expression: `(${script})(${args.map(arg => JSON.stringify(arg)).join(',')})`,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Serves `html` with `headers` for every document of `origin` in this page, instead of asking the network. */
  async serve(origin: string, html: string, headers: Record<string, string> = {}) {
    await this.send('Fetch.enable', { patterns: [{ urlPattern: `${origin}/*`, resourceType: 'Document' }] });
    this.pipe.on(({ method, params, sessionId }) => {
      if (method !== 'Fetch.requestPaused' || sessionId !== this.sessionId) return;
      this.send('Fetch.fulfillRequest', {
        requestId: (params as { requestId: string }).requestId,
        responseCode: 200,
        responseHeaders: Object.entries({ 'content-type': 'text/html; charset=utf-8', ...headers }).map(([name, value]) => ({ name, value })),
        body: Buffer.from(html).toString('base64'),
      }).catch(() => {});
    });
  }

  close = () => this.pipe.send('Target.closeTarget', { targetId: this.targetId });
}

/** A Chromium to whose worker nothing is attached. */
export type Chromium = Awaited<ReturnType<typeof start>>;

/** Starts Chromium with the extension and the microphone granted; `close` ends it and removes its profile. */
export async function start(stack: Stack, { microphone = true, extension = stack.extension_dir, pulse = null }: { microphone?: boolean; extension?: string | null; pulse?: Pulse | null } = {}) {
  const temp = scratch();
  const child: ChildProcess = spawn(stack.chromium, [
    '--remote-debugging-pipe',
    `--user-data-dir=${temp.profile}`,
    ...chromiumArgs(stack, { extension, microphone: temp.microphone, fakeDevices: !pulse }),
    'about:blank',
  ], { stdio: ['ignore', 'ignore', fs.openSync(path.join(temp.dir, 'chromium.log'), 'w'), 'pipe', 'pipe'], env: { ...process.env, ...pulse?.env } });
  const pipe = new Pipe(child.stdio[3] as NodeJS.WritableStream, child.stdio[4] as NodeJS.ReadableStream);
  await pipe.send('Browser.getVersion');
  if (microphone) {
    await pipe.send('Browser.grantPermissions', { origin: `chrome-extension://${stack.extension_id}`, permissions: ['audioCapture'] });
  }
  const targets = async () => (await pipe.send<{ targetInfos: Target[] }>('Target.getTargets', { filter: [{}] })).targetInfos;
  const workers = async () => (await targets()).filter(({ type, url }) => type === 'service_worker' && url.includes(stack.extension_id));
  return {
    pid: child.pid,
    async page() {
      const { targetId } = await pipe.send<{ targetId: string }>('Target.createTarget', { url: 'about:blank' });
      const { sessionId } = await pipe.send<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true });
      const page = new BarePage(pipe, targetId, sessionId);
      await page.send('Page.enable');
      await page.send('Runtime.enable');
      return page;
    },
    workers,
    /** Attaches to a document of the extension that is no tab, such as the offscreen one; never to the worker. */
    async attach(test: (target: { type: string; url: string }) => boolean) {
      const found = await until('the document to attach to', async () =>
        (await targets()).find(target => target.type !== 'service_worker' && test(target)));
      const { sessionId } = await pipe.send<{ sessionId: string }>('Target.attachToTarget', { targetId: found.targetId, flatten: true });
      const page = new BarePage(pipe, found.targetId, sessionId);
      await page.send('Runtime.enable');
      return page;
    },
    /** Chromium's own trace of these categories while `work` runs. */
    async trace(categories: string[], work: () => Promise<unknown>) {
      const events: TraceEvent[] = [];
      let done: () => void;
      const finished = new Promise<void>(resolve => { done = resolve; });
      const stop = pipe.on(({ method, params }) => {
        if (method === 'Tracing.dataCollected') events.push(...(params as { value: TraceEvent[] }).value);
        if (method === 'Tracing.tracingComplete') done();
      });
      await pipe.send('Tracing.start', { traceConfig: { includedCategories: categories }, transferMode: 'ReportEvents' });
      try {
        await work();
      } finally {
        await pipe.send('Tracing.end');
        await finished;
        stop();
      }
      return events;
    },
    /** Kills the extension's worker from outside and sees that it is gone. */
    async killWorker(extensionPage: BarePage) {
      await extensionPage.send('ServiceWorker.enable');
      const before = (await workers()).map(({ targetId }) => targetId);
      await extensionPage.send('ServiceWorker.stopAllWorkers');
      await until('the killed worker to be gone', async () => {
        const now = (await workers()).map(({ targetId }) => targetId);
        return before.every(id => !now.includes(id));
      });
    },
    async close() {
      await Promise.race([pipe.send('Browser.close').catch(() => {}), sleep(3000)]);
      await Promise.race([new Promise(resolve => child.once('exit', resolve)), sleep(3000)]);
      if (child.exitCode === null) child.kill('SIGKILL');
      temp.remove();
    },
  };
}
