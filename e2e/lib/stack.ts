// The running stack (sandbox, token service, built extension), as `cargo xtask` describes it in a JSON file.
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import type { CallWindow, ColleagueCall, GatewayCall, LogEntry, State, Task, Worker, VideoRoom } from './answers.ts';

/** What `cargo xtask` says of a running stack. */
export interface Stack {
  http: number;
  tls: number;
  signalling: number;
  switchboard: string;
  token_service: string;
  token_url: string;
  flex_url: string;
  extension_dir: string;
  extension_id: string;
  plugin: string;
  chromium: string;
  chromium_args: string[];
  rtt_ms: number;
  run_dir: string;
  /** What the token service logs. */
  token_service_log: string;
  /** Chat history, which another plugin or extension does not have; it hides what is older than so many days. */
  history: { retention_days: number } | null;
  /** Video, which another plugin or extension does not have. */
  video: boolean;
  flex_ui: string;
  flex_ui_oldest: string;
  voice_sdk: string | null;
  account: {
    account_sid: string;
    api_key_sid: string;
    api_key_secret: string;
    auth_token: string;
    workspace_sid: string;
    call_centre_number: string;
    worker_sid: string;
    agent_identity: string;
    agent_name: string;
    extension_identity: string;
  };
}

export interface Patience {
  /** In milliseconds, as `every`. */
  timeout?: number;
  every?: number;
}

/** The files of all running stacks: HOLDFAST_STACK names one, or several as PATH does. */
export const stackFiles = () => (process.env.HOLDFAST_STACK ?? '').split(path.delimiter).filter(Boolean);

/** Reads the stack file: --stack FILE, or the first of HOLDFAST_STACK. */
export function readStack(file: string | undefined = stackFiles()[0]): Stack {
  if (!file) throw new Error('no stack: run this through `cargo xtask demo|test|bench`, which starts it');
  return JSON.parse(fs.readFileSync(file, 'utf8'));
}

/** What has to be there, or the test ends with these words. */
export function must<T>(value: T | null | undefined, what: string): T {
  if (value == null) throw new Error(`there is no ${what}`);
  return value;
}

/** What was thrown, in words. */
export const wordsOf = (error: unknown) => error instanceof Error ? error.message : String(error);

export const sleep = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms));

/** Polls until `probe` gives something truthy; fails with `what` and the last thing seen. */
export async function until<T>(what: string, probe: () => T, { timeout = 15_000, every = 50 }: Patience = {}): Promise<Exclude<Awaited<T>, false | null | undefined | 0 | ''>> {
  const end = performance.now() + timeout;
  type Found = Exclude<Awaited<T>, false | null | undefined | 0 | ''>;
  let last: unknown;
  for (;;) {
    try {
      last = await probe();
      if (last) return last as Found;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`waited ${timeout} ms for ${what}; last seen: ${seen}`);
    }
    await sleep(every);
  }
}

/** The sandbox's switchboard, by its REST interface. */
export class Switchboard {
  readonly stack: Stack;
  readonly base: string;

  constructor(stack: Stack) {
    this.stack = stack;
    this.base = `http://127.0.0.1:${stack.http}`;
  }

  /** `Answer` is taken on trust: it is the sandbox's JSON. */
  async request<Answer = null>(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(this.base + path, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
    return (text ? JSON.parse(text) : null) as Answer;
  }

  state = () => this.request<State>('GET', '/api/state');
  /** {now_ms}: milliseconds since the sandbox's start, as in what it says of calls. */
  clock = () => this.request<{ now_ms: number }>('GET', '/api/clock');
  events = (since = 0) => this.request<{ events: LogEntry[]; next: number }>('GET', `/api/events?since=${since}`);
  agent = () => this.request<Worker>('GET', '/api/agent');
  /** A customer calls in: a task and a reservation for the agent, through Flex. */
  task = (from = '+15550100') => this.request<Task>('POST', '/api/tasks', { from, task_channel: 'voice' });
  /** Whoever made a task takes it back, before anybody has accepted it. */
  cancelTask = (sid: string) => this.request('POST', `/api/tasks/${sid}/cancel`);
  /** Text messages that a server has had sent. */
  texts = () => this.request<{ sid: string; to: string; from: string; body: string }[]>('GET', '/api/texts');
  /** Calls a client directly, without Flex. */
  call = (to: string, from = '+15550111', params: object = {}) => this.request<{ call_sid: string }>('POST', '/api/calls', { to, from, params });
  getCall = (sid: string) => this.request<GatewayCall>('GET', `/api/calls/${sid}`);
  calls = async () => (await this.state()).calls;
  hangUp = (sid: string) => this.request('POST', `/api/calls/${sid}/hangup`, {});
  dtmf = (sid: string, digits: string) => this.request('POST', `/api/calls/${sid}/dtmf`, { digits });
  mark = (sid: string, name: string, end = false) => this.request('POST', `/api/calls/${sid}/mark`, end ? { name, end } : { name });
  /** The named windows of a call, and `outside`: all that no window covers. */
  async windows(sid: string) {
    const all = await this.request<CallWindow[]>('GET', `/api/calls/${sid}/windows`);
    return { windows: all.filter(({ name }) => name !== 'outside'), outside: must(all.find(({ name }) => name === 'outside'), 'figure outside the windows') };
  }
  fault = (fault: object) => this.request('POST', '/api/faults', fault);
  clearFaults = () => this.request('DELETE', '/api/faults');
  /** {rooms, faults} of video: who is in which room, and what goes to whom. */
  video = () => this.request<{ rooms: VideoRoom[] }>('GET', '/api/video');
  /** Whether clients may make rooms of video by joining them. */
  setAdHocRooms = (on: boolean) => this.request('PUT', '/api/video/ad-hoc', { on });
  reset = () => this.request('POST', '/api/reset', {});
  setActivity = (name: string) => this.request('PUT', '/api/agent/activity', { name });
  /** Changes some of the agent's worker attributes, as another client of TaskRouter would; null removes one. */
  setAttributes = (patch: object) => this.request('PATCH', '/api/agent/attributes', patch);
  /** Does the same in the very moment before Flex next writes the worker's attributes: a concurrent change. */
  raceAttributes = (patch: object) => this.request('PATCH', '/api/agent/attributes/race', patch);
  /** The agent's Flex roles from the next load of the page on, for example ['supervisor']. */
  setRoles = (roles: string[]) => this.request('PUT', '/api/agent/roles', roles);
  /** Changes `ui_attributes` of the Flex Configuration for pages loaded from now on, key by key; null removes one. */
  setUiAttributes = (patch: object) => this.request('PATCH', '/api/flex/ui-attributes', patch);
  /** Serves this version of Flex UI to pages loaded from now on; `reset` returns to the newest. */
  setFlexVersion = (version: string) => this.request('PUT', '/api/flex/version', { version });
  /** The colleague, a second agent whom nobody plays, takes a call that a supervisor may monitor in the Teams view:
   *  {task_sid, reservation_sid, …}; `state().colleague` shows these calls and who listens. */
  colleagueCall = (from = '+15550140') => this.request<ColleagueCall>('POST', '/api/colleague/calls', { from });
  /** The supervisor who listens to a call of the colleague is heard by the colleague alone, or by nobody again. */
  coach = (sid: string, coach = true) => this.request('POST', `/api/colleague/calls/${sid}/coach`, { coach });
  /** The colleague takes a call that is being transferred to him, or declines it; any SID of the call will do. */
  answerTransfer = (sid: string, takes = true) => this.request('POST', `/api/transfers/${sid}/answer`, { takes });
  /** Flex's feature flags for pages loaded from now on, for example ['localization-beta']. */
  setFeatures = (features: string[]) => this.request('PUT', '/api/flex/features', features);
  colleagueHangsUp = (sid: string) => this.request('POST', `/api/colleague/calls/${sid}/hangup`, {});
  /** What customers do whom the agent calls from now on: {ring_ms, then: 'answer'|'wait'|'busy'|'no_answer'|'invalid_number'}. */
  outbound = (farEnd: object) => this.request('PUT', '/api/outbound', farEnd);
  /** The customer whose telephone rings (after `outbound({ then: 'wait' })`) picks up; any SID of the call will do. */
  customerAnswers = (sid: string) => this.request('POST', `/api/outbound/${sid}/answer`, {});
  /** The customer whose telephone rings cannot be reached: 'busy', 'no_answer' or 'invalid_number'. */
  customerRefuses = (sid: string, why = 'busy') => this.request('POST', `/api/outbound/${sid}/refuse`, { why });

  /** Logs the agent in as Flex's page does: `{token, expiration, accountSid, …}`. */
  flexLogin(): Promise<{ token: string; expiration: string; accountSid: string }> {
    const { tls, account } = this.stack;
    const body = JSON.stringify({ token: null });
    return new Promise((resolve, reject) => {
      const request = https.request({
        host: '127.0.0.1', port: tls, path: '/sandbox/login', method: 'POST', rejectUnauthorized: false, timeout: 5000,
        headers: { host: 'flex.twilio.com', 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      }, response => {
        let text = '';
        response.setEncoding('utf8').on('data', chunk => { text += chunk; }).on('end', () => {
          if (response.statusCode !== 200) return reject(new Error(`login: ${response.statusCode}`));
          resolve({ accountSid: account.account_sid, ...JSON.parse(text) });
        });
      });
      request.on('timeout', () => request.destroy(new Error('login: no answer')));
      request.on('error', reject);
      request.end(body);
    });
  }
}
