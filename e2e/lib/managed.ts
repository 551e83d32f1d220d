// A Chromium under real policy files, which installs the real package from an update URL on this machine. The policies
// lie in a directory of our own that only this Chromium sees as /etc/chromium: a private mount namespace.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { Stack } from './stack.ts';

const ETC = '/etc/chromium';
const BIND = 'mount --make-rprivate / && mount --bind "$0" /etc/chromium && exec "$@"';

/** Why policies cannot be tried here, or null where they can. */
export function whyNoPolicies() {
  if (!process.env.HOLDFAST_ROLLOUT) return 'no packer: run this through `cargo xtask test`';
  if (!fs.existsSync(ETC)) return `no ${ETC}: this Chromium takes its policies from elsewhere`;
  const tried = spawnSync('unshare', ['--mount', 'bash', '-c', BIND, ETC, 'true'], { stdio: 'ignore' });
  return tried.status === 0 ? null : 'no private mount namespace can be made here (unshare --mount)';
}

/** Chromium without the arguments under which it would not look for updates. */
export const managedArgs = (stack: Stack): Stack => ({
  ...stack,
  extension_id: process.env.HOLDFAST_SIGNED_ID!,
  chromium_args: stack.chromium_args.filter(arg => arg !== '--disable-background-networking'),
});

/** The package, a web server that offers it, and the policy directory. */
export class Organization {
  #dir = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-managed-'));
  #served = path.join(this.#dir, 'served');
  #etc = path.join(this.#dir, 'etc');
  #managed = path.join(this.#etc, 'policies/managed');
  id = process.env.HOLDFAST_SIGNED_ID!;
  asked: string[] = [];
  stack!: Stack;
  server!: http.Server;
  url!: string;

  static async start(stack: Stack) {
    const organization = new Organization();
    organization.stack = stack;
    fs.cpSync(ETC, organization.#etc, { recursive: true });
    fs.rmSync(path.join(organization.#etc, 'policies'), { recursive: true, force: true });
    fs.mkdirSync(organization.#managed, { recursive: true });
    fs.mkdirSync(organization.#served);
    // Without it Chromium lets no debugger near an extension that policy has installed.
    fs.writeFileSync(path.join(organization.#managed, 'tests.json'), JSON.stringify({ DeveloperToolsAvailability: 1 }));
    organization.server = http.createServer((request, response) => {
      organization.asked.push(request.url!);
      const file = path.join(organization.#served, path.basename(new URL(request.url!, 'http://x').pathname));
      if (!fs.existsSync(file)) return response.writeHead(404).end();
      response.writeHead(200, { 'content-type': file.endsWith('.xml') ? 'application/xml' : 'application/x-chrome-extension' });
      response.end(fs.readFileSync(file));
    });
    await new Promise<void>(resolve => organization.server.listen(0, '127.0.0.1', resolve));
    organization.url = `http://127.0.0.1:${(organization.server.address() as AddressInfo).port}/`;
    return organization;
  }

  /** A program to start in Chromium's place. */
  get chromium() {
    const script = path.join(this.#dir, 'chromium');
    fs.writeFileSync(script, `#!/bin/bash\nexec unshare --mount bash -c '${BIND}' '${this.#etc}' '${this.stack.chromium}' "$@"\n`, { mode: 0o755 });
    return script;
  }

  #rollout = (...args: string[]) => execFileSync(process.env.HOLDFAST_ROLLOUT!, args, { encoding: 'utf8', timeout: 60_000 });

  /** Packs the built extension and offers it; `version` in place of its own, as a later build would have. */
  publish(version?: string): string {
    const source = path.join(this.#dir, 'source');
    fs.cpSync(this.stack.extension_dir, source, { recursive: true });
    const manifest = JSON.parse(fs.readFileSync(path.join(source, 'manifest.json'), 'utf8'));
    manifest.version = version ?? manifest.version;
    fs.writeFileSync(path.join(source, 'manifest.json'), JSON.stringify(manifest));
    this.#rollout('pack', '--key', process.env.HOLDFAST_KEY!, '--serve-from', this.url, '--extension', source, '--out', this.#served);
    fs.rmSync(source, { recursive: true });
    return manifest.version;
  }

  /** Writes the policy that `cargo xtask policy` makes of these settings, in place of the one before. */
  setPolicy(settings: Record<string, unknown> = {}) {
    const set = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
    this.#rollout('policy', '--key', process.env.HOLDFAST_KEY!, '--update-url', `${this.url}updates.xml`, '--browser', 'chrome', '--out', this.#dir, ...set);
    this.#put(fs.readFileSync(path.join(this.#dir, 'chrome/linux/holdfast.json'), 'utf8'));
  }

  /** As an administrator's slip would have it: the policy as it stands, changed by hand. */
  editPolicy(edit: (policy: { '3rdparty': { extensions: Record<string, Record<string, unknown>> } }) => void) {
    const policy = JSON.parse(fs.readFileSync(path.join(this.#managed, 'holdfast.json'), 'utf8'));
    edit(policy);
    this.#put(JSON.stringify(policy));
  }

  /** Takes the extension off the list, and its rights with it. */
  withdraw() {
    fs.rmSync(path.join(this.#managed, 'holdfast.json'));
  }

  /** At once and whole, because Chromium reads whenever the directory changes. */
  #put(text: string) {
    const next = path.join(this.#dir, 'next.json');
    fs.writeFileSync(next, text);
    fs.renameSync(next, path.join(this.#managed, 'holdfast.json'));
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise(resolve => this.server.close(resolve));
    fs.rmSync(this.#dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Each policy of chrome://policy with its value's source and what Chromium says of it. Runs in that page. */
export function policyRows() {
  const rows: { name: string; status: string; source: string }[] = [];
  const walk = (root: ParentNode) => {
    for (const element of root.querySelectorAll('*')) {
      if (element.localName === 'policy-row') {
        const text = (name: string) => element.shadowRoot?.querySelector(name)?.textContent!.trim() ?? '';
        rows.push({ name: text('.name'), status: text('.messages'), source: text('.source') });
      }
      if (element.shadowRoot) walk(element.shadowRoot);
    }
  };
  walk(document);
  return rows;
}
