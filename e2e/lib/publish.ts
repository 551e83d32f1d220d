// What an administrator runs to release the plugin: the real `cargo xtask plugin`, against the sandbox's APIs.
import { spawn } from 'node:child_process';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Stack } from './stack.ts';

/** Serves one of the sandbox's hosts on a loopback port of its own, over plain HTTP: its certificate is known to Chromium only. */
async function front(stack: Stack, host: string) {
  const server = http.createServer((request, response) => {
    const onward = https.request({
      host: '127.0.0.1', port: stack.tls, path: request.url, method: request.method,
      headers: { ...request.headers, host }, rejectUnauthorized: false, timeout: 20_000,
    }, answer => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    onward.on('timeout', () => onward.destroy(new Error('no answer')));
    onward.on('error', error => response.writeHead(502).end(error.message));
    request.pipe(onward);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** Runs `cargo xtask plugin ARGS` for the sandbox's account; gives back what it said, and fails with that. */
export async function publish(stack: Stack, ...args: string[]) {
  const hosts = { '--flex-api': 'flex-api.twilio.com', '--serverless-api': 'serverless.twilio.com', '--upload-api': 'serverless-upload.twilio.com' };
  const servers = await Promise.all(Object.values(hosts).map(host => front(stack, host)));
  try {
    const bases = Object.keys(hosts).flatMap((name, i) => [name, `http://127.0.0.1:${(servers[i].address() as AddressInfo).port}`]);
    return await new Promise<string>((resolve, reject) => {
      const { api_key_sid: TWILIO_API_KEY_SID, api_key_secret: TWILIO_API_KEY_SECRET } = stack.account;
      const child = spawn(process.env.HOLDFAST_PUBLISH!, [...args, ...bases], { env: { ...process.env, TWILIO_API_KEY_SID, TWILIO_API_KEY_SECRET }, timeout: 60_000 });
      let said = '';
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => { said += text; });
      child.on('error', reject);
      child.on('close', code => (code === 0 ? resolve(said) : reject(new Error(`plugin ${args[0]} ended with ${code}:\n${said}`))));
    });
  } finally {
    for (const server of servers) server.closeAllConnections();
    await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  }
}
