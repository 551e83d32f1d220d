// The plugin as agents get it: deployed by our own command, released, and loaded by Flex UI from where Twilio serves it.
import fs from 'node:fs';
import { FlexPage } from '../lib/flex.ts';
import { publish } from '../lib/publish.ts';
import { must } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

test('the released plugin is what Flex loads, byte for byte, and boots to an available agent', async ({ driven, stack, switchboard }) => {
  // Under the name of the one that the sandbox serves unreleased, whose place it so takes.
  const said = await publish(stack, 'deploy', '--name', 'holdfast', '--plugin-version', '7.7.7', '--script', stack.plugin);
  const [, url] = must(said.match(/^released: FJ\w+ \((https:\S+)\)$/m), 'word of a release');
  await switchboard.setActivity('Available');
  const scripts = new Map<string, Promise<Buffer | null>>();
  driven.context.on('response', response => {
    if (response.request().resourceType() === 'script') scripts.set(response.url(), response.body().catch(() => null));
  });
  const flex = await FlexPage.open(driven.context);
  await expect(flex.status).toHaveText(/Voice: ready/);
  await flex.untilActivity('Available');
  expect((await flex.store()).contactUri).toBe(`client:${stack.account.extension_identity}`);
  const plugins = [...scripts.keys()].filter(one => one.endsWith('/bundle.js'));
  expect(plugins).toEqual([url]);
  expect(must(await scripts.get(url), 'plugin as Flex got it').equals(fs.readFileSync(stack.plugin))).toBe(true);
});
