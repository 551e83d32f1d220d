// A sound server of our own, whose microphones and speakers can be unplugged: PulseAudio, over a socket in a scratch
// directory, with no device of this machine.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { sleep, until } from './stack.ts';

/** Why devices cannot be unplugged here, or null where they can. */
export function whyNoPulse() {
  const missing = ['pulseaudio', 'pactl'].filter(program => spawnSync(program, ['--version'], { stdio: 'ignore' }).status !== 0);
  return missing.length ? `not installed: ${missing.join(', ')}` : null;
}

/** A server with a microphone and a speaker that stay. */
export class Pulse {
  #dir = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-pulse-'));
  #socket = path.join(this.#dir, 'socket');
  child!: ChildProcess;

  /** For the environment of a Chromium that is to use these devices. */
  get env() {
    return { PULSE_SERVER: `unix:${this.#socket}`, PULSE_COOKIE: path.join(this.#dir, 'cookie') };
  }

  static async start() {
    const pulse = new Pulse();
    // Its home and runtime directories are ours too, so that no other server is met or disturbed.
    const env = { ...process.env, HOME: pulse.#dir, XDG_RUNTIME_DIR: pulse.#dir, PULSE_RUNTIME_PATH: path.join(pulse.#dir, 'run'), DBUS_SESSION_BUS_ADDRESS: 'disabled:' };
    pulse.child = spawn('pulseaudio', ['-n', '--daemonize=no', '--use-pid-file=no', '--exit-idle-time=-1', '--disallow-exit',
      '--load', `module-native-protocol-unix socket=${pulse.#socket} auth-anonymous=1`], { env, stdio: ['ignore', 'ignore', fs.openSync(path.join(pulse.#dir, 'log'), 'w')] });
    await until('the sound server', () => pulse.#pactl('info'));
    pulse.plugInMicrophone('builtin', 'Built-in microphone');
    pulse.plugInSpeaker('speaker', 'Built-in speaker');
    return pulse;
  }

  #pactl = (...args: string[]) => execFileSync('pactl', args, { env: { ...process.env, ...this.env }, encoding: 'utf8', timeout: 5000, stdio: ['ignore', 'pipe', 'pipe'] }).trim();

  /** Plugs in a silent microphone, and gives back the plug to pull. */
  plugInMicrophone = (name: string, label: string) => this.#pactl('load-module', 'module-null-source', `source_name=${name}`, `description="${label}"`);

  plugInSpeaker = (name: string, label: string) => this.#pactl('load-module', 'module-null-sink', `sink_name=${name}`, `sink_properties="device.description='${label}'"`);

  /** Pulls a plug. */
  unplug = (plug: string) => this.#pactl('unload-module', plug);

  async stop() {
    this.child.kill('SIGTERM');
    for (let waited = 0; this.child.exitCode === null && this.child.signalCode === null && waited < 40; waited++) await sleep(50);
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    fs.rmSync(this.#dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
