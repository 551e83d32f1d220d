// A token service of an attack's own: the shipped program, with its usual limits, and a stand-in for what judges Flex tokens.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** The extension that the service is told to serve. */
export const ORIGIN = `chrome-extension://${'abcdefgh'.repeat(4).slice(0, 32).replace(/[^a-p]/g, 'a')}`;
const ACCOUNT = `AC${'1'.repeat(32)}`;

/** Twilio's judge of Flex tokens: `good-<name>` is that agent's token, everything else is none. */
async function judge() {
  let asked = 0;
  const server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', chunk => { body += chunk; }).on('end', () => {
      asked += 1;
      const name = /^good-(.+)$/.exec(JSON.parse(body).token)?.[1];
      const answer = name
        ? { valid: true, code: 0, message: null, expiration: new Date(Date.now() + 3_600_000).toISOString(), identity: name, roles: ['agent'], worker_sid: `WK${'3'.repeat(32)}`, realm_user_id: name }
        : { valid: false, code: 20101, message: 'Invalid Access Token' };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked, close: () => server.closeAllConnections() ?? server.close() };
}

/**
 * Starts the program. `log`: 'drain' reads what it logs, 'stuck' never does.
 * Gives {port, admin, ask(token, options), asked(), close()}.
 */
export async function startTokenService(program: string, { args = [], log = 'drain' }: { args?: string[]; log?: 'drain' | 'stuck' } = {}) {
  const iam = await judge();
  const child = spawn(program, [
    '--exit-with-stdin', '--port', '0', '--admin-port', '0', '--allowed-origin', ORIGIN, '--iam-base-url', iam.url, ...args,
  ], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, TWILIO_ACCOUNT_SID: ACCOUNT, TWILIO_API_KEY_SID: `SK${'2'.repeat(32)}`, TWILIO_API_KEY_SECRET: 'x'.repeat(32) },
  });
  const ended = new Promise(resolve => child.on('exit', resolve));
  const lines: string[] = [];
  if (log === 'drain') createInterface({ input: child.stderr }).on('line', line => lines.push(line));
  const ready = await new Promise<{ port: number; admin_port: number }>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', line => {
      try {
        const said = JSON.parse(line);
        if (said.event === 'ready') resolve(said);
      } catch { /* Not a line of ours. */ }
    });
    child.on('exit', code => reject(new Error(`the token service ended with ${code}`)));
  });
  const { port, admin_port: admin } = ready;
  return {
    port,
    admin,
    asked: iam.asked,
    /** What it has logged. */
    lines,
    async ask(token: string, { address = '127.0.0.1', timeout = 10_000 } = {}) {
      const from = performance.now();
      const answer = await new Promise<{ status: number; retryAfter: number; error?: string }>(resolve => {
        const request = http.request({
          host: '127.0.0.1', port, localAddress: address, method: 'POST', path: '/v1/voice/token', agent: false, timeout,
          headers: { origin: ORIGIN, authorization: `Bearer ${token}`, 'content-length': 0 },
        }, response => {
          response.resume().on('end', () => resolve({ status: response.statusCode!, retryAfter: Number(response.headers['retry-after'] ?? 0) }));
        });
        request.on('timeout', () => request.destroy(new Error('no answer')));
        request.on('error', error => resolve({ status: 0, retryAfter: 0, error: error.message }));
        request.end();
      });
      return { ...answer, ms: performance.now() - from };
    },
    async close() {
      child.stdin.end();
      child.stderr.resume();
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(timer);
      iam.close();
    },
  };
}
