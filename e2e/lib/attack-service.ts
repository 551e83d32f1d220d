// Attacks on the token service: the shipped program with its usual limits. Every address is one of loopback's.
import http from 'node:http';
import net from 'node:net';
import { percentile } from './figures.ts';
import { sleep } from './stack.ts';
import { ORIGIN, startTokenService } from './token-service.ts';

/** Where the attacker sits, and where honest agents do. */
const OFFICE = '127.0.0.2';
const ELSEWHERE = '127.0.0.1';

type Service = Awaited<ReturnType<typeof startTokenService>>;

/** What an attack got. */
export interface Got {
  got: string;
  held: boolean;
  figures?: object;
}

/** Starts a service, plays, and ends it whatever comes. */
async function against(program: string, options: Parameters<typeof startTokenService>[1], play: (service: Service) => Promise<Got>) {
  const service = await startTokenService(program, options);
  try {
    return await play(service);
  } finally {
    await service.close();
  }
}

/** S34: twenty agents behind the address from which a hundred junk tokens a second come. */
async function junk(service: Service) {
  const honest = 20;
  const limit = 15_000;
  let stop = false;
  let sent = 0;
  let passed = 0;
  const attacker = (async () => {
    const open = [];
    while (!stop && sent < 3_000) {
      const token = `junk-${sent += 1}-${Math.random()}`;
      open.push(service.ask(token, { address: OFFICE }).then(({ status }) => { if (status === 200) passed += 1; }));
      await sleep(10);
    }
    await Promise.all(open);
  })();
  await sleep(2_000);
  const from = performance.now();
  const served = await Promise.all(Array.from({ length: honest }, async (_, agent) => {
    // As the extension does: it waits as long as the service asks for, and a random bit more.
    for (;;) {
      const answer = await service.ask(`good-agent${agent}`, { address: OFFICE });
      const at = performance.now() - from;
      if (answer.status === 200) return at;
      if (at > 2 * limit) return Infinity;
      await sleep(1_000 * Math.max(1, answer.retryAfter) + Math.random() * 1_000);
    }
  }));
  stop = true;
  await attacker;
  const inTime = served.filter(ms => ms <= limit).length;
  const worst = Math.round(Math.max(...served));
  return {
    got: `${honest - inTime} of ${honest} agents kept out; the last was served after ${worst} ms; ${sent} junk tokens cost Twilio ${service.asked()} questions`,
    held: inTime === honest && passed === 0,
    figures: { nat: { honest, served: inTime, worst_ms: Number.isFinite(worst) ? worst : null } },
  };
}

/** S37: connections that send a body byte by byte, 106 new ones a second, and honest agents meanwhile. */
async function slowBodies(service: Service) {
  const seconds = 12;
  const sockets = new Set<net.Socket>();
  let opened = 0;
  let stop = false;
  const attacker = (async () => {
    while (!stop) {
      const socket = net.connect({ host: '127.0.0.1', port: service.port, localAddress: OFFICE });
      opened += 1;
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
      socket.write(`POST /v1/voice/token HTTP/1.1\r\nhost: x\r\norigin: ${ORIGIN}\r\nauthorization: Bearer junk-${opened}\r\ncontent-type: application/json\r\ncontent-length: 200\r\n\r\n{`);
      const drip = setInterval(() => (socket.destroyed ? clearInterval(drip) : socket.write(' ')), 1_000);
      socket.on('close', () => clearInterval(drip));
      await sleep(1_000 / 106);
    }
  })();
  await sleep(6_000);
  const asked = [];
  const end = performance.now() + seconds * 1_000;
  for (let n = 0; performance.now() < end; n++) {
    asked.push(service.ask(`good-honest${n % 40}`, { address: ELSEWHERE }));
    await sleep(100);
  }
  const answers = await Promise.all(asked);
  stop = true;
  await attacker;
  sockets.forEach(socket => socket.destroy());
  const served = answers.filter(({ status }) => status === 200).length;
  const p99 = Math.round(percentile(answers.map(({ ms }) => ms), 0.99));
  return {
    got: `${answers.length - served} of ${answers.length} honest requests kept out, p99 ${p99} ms, with ${opened} slow connections`,
    held: served === answers.length && p99 < 1_000,
    figures: { slow_body: { honest: answers.length, served, p99_ms: p99 } },
  };
}

/** S36: the log's reader stands still, and requests go on. */
async function stuckLog(service: Service) {
  let answered = 0;
  // Far more lines than pipe and queue hold.
  const requests = 8_000;
  for (let n = 0; n < requests; n += 25) {
    const answers = await Promise.all(Array.from({ length: 25 }, (_, at) => service.ask(`good-reader${(n + at) % 200}`, { timeout: 5_000 })));
    const came = answers.filter(({ status }) => status > 0).length;
    answered += came;
    if (came === 0) break;
  }
  const live = await fetch(`http://127.0.0.1:${service.admin}/live`, { signal: AbortSignal.timeout(5_000) }).then(({ status }) => status, () => 0);
  return {
    got: `${requests - answered} of ${requests} requests without an answer; /live says ${live || 'nothing'}`,
    held: answered === requests && live === 200,
  };
}

/** S37: connections that ask and never read what comes. */
async function neverRead(service: Service) {
  const connections = 40;
  const limit = 60_000;
  // More answers than the buffers between the two hold.
  const asks = 'GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(8_000);
  const sockets = Array.from({ length: connections }, () => {
    const socket = net.connect({ host: '127.0.0.1', port: service.port, localAddress: OFFICE });
    socket.on('error', () => {}).pause();
    socket.write(asks);
    return socket;
  });
  const held = async () => {
    const metrics = await fetch(`http://127.0.0.1:${service.admin}/metrics`).then(answer => answer.text());
    // The one that asks is counted, too.
    return Number(/^token_service_connections (\d+)/m.exec(metrics)?.[1] ?? NaN) - 1;
  };
  await sleep(1_000);
  const from = performance.now();
  let open = await held();
  while (open > 0 && performance.now() - from < limit) {
    await sleep(1_000);
    open = await held();
  }
  const honest = await service.ask('good-patient');
  sockets.forEach(socket => socket.destroy());
  return {
    got: `${open} of ${connections} connections still held after ${Math.round((performance.now() - from) / 1_000)} s`,
    held: open === 0 && honest.status === 200,
  };
}

/** S11: a client behind a trusted proxy puts a byte before its address that is no text. Is it taken for the proxy? */
async function hiddenClient(service: Service) {
  const client = '203.0.113.9';
  const status = await new Promise((resolve, reject) => {
    const socket = net.connect({ host: '127.0.0.1', port: service.port, localAddress: ELSEWHERE });
    const head = Buffer.from(`POST /v1/voice/token HTTP/1.1\r\nhost: x\r\norigin: ${ORIGIN}\r\nauthorization: Bearer junk\r\ncontent-length: 0\r\nconnection: close\r\nx-forwarded-for: `);
    socket.on('error', reject).on('data', data => resolve(Number(String(data).split(' ')[1])));
    socket.write(Buffer.concat([head, Buffer.from([0xff]), Buffer.from(`, ${client}\r\n\r\n`)]));
  });
  const logged = () => service.lines.map(line => JSON.parse(line)).find(line => line.route === '/v1/voice/token');
  for (let waited = 0; waited < 50 && !logged(); waited++) await sleep(100);
  const seen = logged()?.client;
  return { got: `answered ${status}; the log names ${seen ?? 'nobody'}`, held: seen === client };
}

/** S34: a web page in one browser of an office makes it post forms to the older extension's door. Who is shut out? */
async function formsOfOtherSites(service: Service) {
  // Node's fetch would say for itself that it is CORS.
  const post = (path: string, headers: Record<string, string>, body: string) => new Promise<{ status: number }>((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port: service.port, method: 'POST', path, headers, timeout: 10_000 }, response => {
      response.resume().on('end', () => resolve({ status: response.statusCode! }));
    });
    request.on('timeout', () => request.destroy(new Error('no answer'))).on('error', reject).end(body);
  });
  const before = service.asked();
  let refused = 0;
  for (let n = 0; n < 60; n++) {
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'content-type': 'application/x-www-form-urlencoded' };
    const { status } = await post('/generateToken', headers, `Token=junk-${n}&VoiceClientPrefix=ext_`);
    if (status === 403) refused += 1;
  }
  const questions = service.asked() - before;
  const agent = await service.ask('good-neighbour');
  return {
    got: `${60 - refused} of 60 forms taken, ${questions} questions to Twilio; an agent of that office is answered ${agent.status}`,
    held: refused === 60 && questions === 0 && agent.status === 200,
  };
}

/** The attacks, against this program. */
export const serviceAttacks = (program: string) => [
  { name: 'junk tokens from an office', threat: 'S34', bar: '20 of 20 agents served within 15 s', run: () => against(program, {}, junk) },
  { name: 'slow bodies', threat: 'S37', bar: 'all honest requests served, p99 under 1 s', run: () => against(program, {}, slowBodies) },
  { name: 'a log that nobody reads', threat: 'S36', bar: 'every request answered, /live too', run: () => against(program, { log: 'stuck' }, stuckLog) },
  { name: 'a byte before the address', threat: 'S11', bar: 'the client is named', run: () => against(program, { args: ['--trusted-proxy', '127.0.0.1'] }, hiddenClient) },
  { name: 'forms of other sites', threat: 'S34', bar: 'none taken, the agent is served', run: () => against(program, { args: ['--legacy-generate-token'] }, formsOfOtherSites) },
  { name: 'readers who never read', threat: 'S37', bar: 'no connection held after a minute', run: () => against(program, {}, neverRead) },
];
