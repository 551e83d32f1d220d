// The agent's window of a video call: the extension's own, so that it outlives worker and page. Without a service: what is told of a
// session is the plugin's word, which a page plays here.
import type { FlexToken } from '../generated/protocol.d.ts';
import type { BarePage } from '../lib/cdp.ts';
import { Probe } from '../lib/probe.ts';
import { type Stack, must, sleep, until } from '../lib/stack.ts';
import { expect, test, uiState } from '../lib/test.ts';

const KEY = `CH${'1'.repeat(32)}`;

/** Says hello with a port, as our plugin does, and answers over it. */
async function takePort({ page, flexToken }: Probe<BarePage>, stack: Stack) {
  const payload = { voiceClientTokenGeneratorUrl: stack.token_url, accountSid: stack.account.account_sid, extensionVoiceClientPrefix: 'ext_', protocolVersion: 4 };
  await page.evaluate((payload: object, token: FlexToken) => {
    const { port1, port2 } = new MessageChannel();
    const heard: { type: string }[] = [];
    port1.onmessage = ({ data }) => {
      heard.push(data);
      if (data.type === 'HOLDFAST_LINE_ASK') port1.postMessage({ type: 'HOLDFAST_LINE_HERE' });
      if (data.type.endsWith('_CONFIGURED')) port1.postMessage({ type: 'VOICE_CLIENT_EXTENSION_FLEX_TOKEN', payload: token });
    };
    window.__over = { plugin: heard };
    window.__ports = { plugin: port1 };
    window.postMessage({ type: 'VOICE_CLIENT_EXTENSION_CONFIGURE', payload }, location.origin, [port2]);
  }, payload, must(flexToken, 'Flex token'));
  await until('the extension to know whose page it is', () => page.evaluate(() => window.__over.plugin.some(({ type }) => type.endsWith('_HEARTBEAT'))), { timeout: 30_000 });
}

const say = ({ page }: Probe<BarePage>, name: string, payload: object) => page.evaluate((type: string, payload: object) => {
  window.__ports.plugin.postMessage({ type, payload });
}, `VOICE_CLIENT_EXTENSION_${name}`, payload);

const windows = async ({ page }: Probe<BarePage>, stack: Stack) => {
  const { targetInfos } = await page.pipe.send<{ targetInfos: { type: string; url: string; targetId: string }[] }>('Target.getTargets');
  return targetInfos.filter(({ type, url }) => type === 'page' && url.startsWith(`chrome-extension://${stack.extension_id}/video.html#`));
};

test('the agent’s video window opens at the click, is the one that the next click finds, also from a page that was reloaded and by a worker that was killed, and goes with its agent', async ({ untouched, stack, switchboard }) => {
  test.setTimeout(180_000);
  const probe = await Probe.openBare(untouched, stack, switchboard);
  await probe.register();
  const options = await untouched.page();
  await options.goto(`chrome-extension://${stack.extension_id}/options.html`);

  // Posted in the window of the page it is another script's: nothing opens.
  await probe.send('SHOW_VIDEO', { key: KEY });
  await takePort(probe, stack);
  await say(probe, 'SHOW_VIDEO', { key: KEY });
  const [first] = await until('the window to open', async () => {
    const open = await windows(probe, stack);
    return open.length > 0 && open;
  }, { timeout: 30_000 });
  const page = await untouched.attach(({ url }) => url === first.url);
  expect(new URL(first.url).hash).toMatch(new RegExp(`^#${KEY}\\.[0-9a-f]{12}$`));

  const again = async () => {
    await say(probe, 'SHOW_VIDEO', { key: KEY });
    // What would open takes a moment.
    await sleep(1_500);
    expect((await windows(probe, stack)).map(({ targetId }) => targetId)).toEqual([first.targetId]);
  };
  await again();
  await untouched.killWorker(options);
  await until('the registration to be back', async () => (await uiState(options)).registered, { timeout: 30_000 });
  await again();
  await probe.page.reload();
  await takePort(probe, stack);
  await again();

  // The worker that was started again passes on what the plugin says, and the page shows it.
  await say(probe, 'SHOW_VIDEO', { key: KEY, failed: 'Video is switched off.' });
  await until('the window to say it', () => page.evaluate(() => document.body.innerText.includes('Video is switched off.')), { timeout: 30_000 });

  await say(probe, 'SIGN_OUT', { reason: 'logout' });
  await until('the window to go with its agent', async () => (await windows(probe, stack)).length === 0);
});
