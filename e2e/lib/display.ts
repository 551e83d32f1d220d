// A screen and a keyboard of our own (Xvfb, xdotool): for the keys that Chrome itself hears, which no page can press.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { until } from './stack.ts';

/** Why no key can be pressed here, or null where one can. */
export function whyNoDisplay() {
  const missing = ['Xvfb', 'xdotool'].filter(program => spawnSync('which', [program], { stdio: 'ignore' }).status !== 0);
  return missing.length ? `not installed: ${missing.join(', ')}` : null;
}

export class Display {
  child!: ChildProcess;
  env!: { DISPLAY: string };

  static async start() {
    const display = new Display();
    // It chooses a free number and says which.
    display.child = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1500x1000x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    let said = '';
    (display.child.stdio[3] as NodeJS.ReadableStream).setEncoding('utf8').on('data', text => { said += text; });
    await until('the display', () => said.endsWith('\n'));
    display.env = { DISPLAY: `:${said.trim()}` };
    return display;
  }

  #xdotool = (...args: string[]) => execFileSync('xdotool', args, { env: { ...process.env, ...this.env }, encoding: 'utf8', timeout: 10_000, stdio: ['ignore', 'pipe', 'pipe'] }).trim();

  /** Presses keys, as `xdotool key` names them, in the browser's window. */
  press(keys: string) {
    const window = this.#xdotool('search', '--onlyvisible', '--class', 'chromium').split('\n').at(-1)!;
    this.#xdotool('windowfocus', '--sync', window);
    this.#xdotool('key', '--clearmodifiers', keys);
  }

  async stop() {
    const ended = new Promise<void>(resolve => { this.child.once('exit', () => resolve()); });
    this.child.kill('SIGTERM');
    await ended;
  }
}
