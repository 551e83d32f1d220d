// A Chromium driven by bare DevTools commands that attaches only to the pages it opens and never to the service
// worker: an attached debugger keeps a worker alive and hides every bug of its lifetime.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { chromiumArgs, scratch } from './browser.ts';
import { sleep, until } from './stack.ts';

/** Commands and events over Chromium's debugging pipe: JSON, each message ended by a zero byte. */
class Pipe {
  #next = 0;
  #waiting = new Map();
  #listeners = new Set();
  #rest = '';

  constructor(write, read) {
    this.write = write;
    read.setEncoding('utf8');
    read.on('data', chunk => {
      const parts = (this.#rest + chunk).split('\0');
      this.#rest = parts.pop();
      for (const part of parts) this.#take(JSON.parse(part));
    });
  }

  #take(message) {
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return void this.#listeners.forEach(listener => listener(message));
    this.#waiting.delete(message.id);
    if (message.error) waiting.reject(new Error(`${waiting.method}: ${message.error.message}`));
    else waiting.resolve(message.result);
  }

  send(method, params = {}, sessionId) {
    return new Promise((resolve, reject) => {
      const id = ++this.#next;
      this.#waiting.set(id, { resolve, reject, method });
      this.write.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  on(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** One page; evaluate runs a function in it and gives back its JSON-able result. */
class BarePage {
  constructor(pipe, targetId, sessionId) {
    Object.assign(this, { pipe, targetId, sessionId });
  }

  send = (method, params) => this.pipe.send(method, params, this.sessionId);

  async goto(url) {
    const { errorText } = await this.send('Page.navigate', { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await until(`${url} to load`, () => this.evaluate(() => document.readyState === 'complete'));
  }

  async reload() {
    await this.evaluate(() => { window.__old = true; });
    await this.send('Page.reload');
    await until('the page to reload', () => this.evaluate(() => !window.__old && document.readyState === 'complete'));
  }

  async evaluate(script, ...args) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression: `(${script})(${args.map(arg => JSON.stringify(arg)).join(',')})`,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Serves `html` with `headers` for every document of `origin` in this page, instead of asking the network. */
  async serve(origin, html, headers = {}) {
    await this.send('Fetch.enable', { patterns: [{ urlPattern: `${origin}/*`, resourceType: 'Document' }] });
    this.pipe.on(({ method, params, sessionId }) => {
      if (method !== 'Fetch.requestPaused' || sessionId !== this.sessionId) return;
      this.send('Fetch.fulfillRequest', {
        requestId: params.requestId,
        responseCode: 200,
        responseHeaders: Object.entries({ 'content-type': 'text/html; charset=utf-8', ...headers }).map(([name, value]) => ({ name, value })),
        body: Buffer.from(html).toString('base64'),
      }).catch(() => {});
    });
  }

  close = () => this.pipe.send('Target.closeTarget', { targetId: this.targetId });
}

/** Starts Chromium with the extension and the microphone granted; `close` ends it and removes its profile. */
export async function start(stack, { microphone = true, extension = stack.extension_dir, pulse = null } = {}) {
  const temp = scratch();
  const child = spawn(stack.chromium, [
    '--remote-debugging-pipe',
    `--user-data-dir=${temp.profile}`,
    ...chromiumArgs(stack, { extension, microphone: temp.microphone, fakeDevices: !pulse }),
    'about:blank',
  ], { stdio: ['ignore', 'ignore', fs.openSync(path.join(temp.dir, 'chromium.log'), 'w'), 'pipe', 'pipe'], env: { ...process.env, ...pulse?.env } });
  const pipe = new Pipe(child.stdio[3], child.stdio[4]);
  await pipe.send('Browser.getVersion');
  if (microphone) {
    await pipe.send('Browser.grantPermissions', { origin: `chrome-extension://${stack.extension_id}`, permissions: ['audioCapture'] });
  }
  const targets = async () => (await pipe.send('Target.getTargets', { filter: [{}] })).targetInfos;
  const workers = async () => (await targets()).filter(({ type, url }) => type === 'service_worker' && url.includes(stack.extension_id));
  return {
    pid: child.pid,
    async page() {
      const { targetId } = await pipe.send('Target.createTarget', { url: 'about:blank' });
      const { sessionId } = await pipe.send('Target.attachToTarget', { targetId, flatten: true });
      const page = new BarePage(pipe, targetId, sessionId);
      await page.send('Page.enable');
      await page.send('Runtime.enable');
      return page;
    },
    workers,
    /** Attaches to a document of the extension that is no tab, such as the offscreen one; never to the worker. */
    async attach(test) {
      const found = await until('the document to attach to', async () =>
        (await targets()).find(target => target.type !== 'service_worker' && test(target)));
      const { sessionId } = await pipe.send('Target.attachToTarget', { targetId: found.targetId, flatten: true });
      const page = new BarePage(pipe, found.targetId, sessionId);
      await page.send('Runtime.enable');
      return page;
    },
    /** Chromium's own trace of these categories while `work` runs. */
    async trace(categories, work) {
      const events = [];
      let done;
      const finished = new Promise(resolve => { done = resolve; });
      const stop = pipe.on(({ method, params }) => {
        if (method === 'Tracing.dataCollected') events.push(...params.value);
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
    async killWorker(extensionPage) {
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
