// What an administrator sets, seen by the agent: the worker attribute, the settings, the language and the theme.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { launch } from '../lib/browser.ts';
import { FlexPage } from '../lib/flex.ts';
import { until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

const attributes = (flex: FlexPage) => flex.page.evaluate(() => Twilio.Flex.Manager.getInstance().store.getState().flex.worker.attributes);

test('the worker attribute is followed without a reload: off, on and off again, beside changes of others that cross ours', async ({ driven, stack, switchboard }) => {
  const ours = `client:${stack.account.extension_identity}`;
  const own = `client:${stack.account.agent_identity}`;
  const contact = async () => (await attributes(flex)).contact_uri;
  await switchboard.setActivity('Available');
  const flex = await FlexPage.open(driven.context);
  await expect(flex.status).toHaveText(/Voice: ready/);
  expect(await contact()).toBe(ours);
  await flex.page.evaluate(() => { window.__neverReloaded = true; });

  await switchboard.setAttributes({ extensionVoiceClientEnabled: null, skills: ['sales'] });
  await until('calls to go to Flex again', async () => await contact() === own);
  await expect(flex.status).toBeHidden();
  expect((await attributes(flex)).skills).toEqual(['sales']);
  // All that is left to the plugin is an address that somebody points at the extension: it gives it back.
  const said = (await flex.messageTypes()).VOICE_CLIENT_EXTENSION_CONFIGURE;
  await switchboard.setAttributes({ contact_uri: ours });
  await until('a stale address to be given back', async () => await contact() === own);
  expect(await flex.invoke('SetActivity', { activityName: 'Voice Client Offline' })).toBeNull();
  await flex.untilActivity('Voice Client Offline');
  expect(await flex.invoke('SetActivity', { activityName: 'Available' })).toBeNull();
  await flex.untilActivity('Available');
  expect((await flex.messageTypes()).VOICE_CLIENT_EXTENSION_CONFIGURE).toBe(said);

  await switchboard.raceAttributes({ skills: ['sales', 'support'] });
  await switchboard.setAttributes({ extensionVoiceClientEnabled: true });
  await expect(flex.status).toHaveText(/Voice: ready/, { timeout: 20_000 });
  await until('both changes to stand', async () => {
    const now = await attributes(flex);
    return now.contact_uri === ours && now.skills?.length === 2;
  });

  // In a call, the call keeps its controls; then calls go to Flex again.
  await switchboard.task();
  await flex.accept();
  await flex.waitLive();
  await switchboard.setAttributes({ extensionVoiceClientEnabled: false });
  await until('new calls to go to Flex', async () => await contact() === own);
  expect(await flex.liveControls()).toBe(true);
  await flex.toggleMute();
  await until('the extension to be muted', async () => (await flex.beat()).call?.muted === true);
  await flex.hangUp();
  await flex.complete();
  await expect(flex.status).toBeHidden();
  expect(await flex.page.evaluate(() => window.__neverReloaded)).toBe(true);
});

test('a wrong setting, a missing one and a missing activity are told in words that an administrator can act on', async ({ stack, switchboard }) => {
  const right = { token_service_url: stack.token_url };
  await switchboard.setActivity('Available');
  await switchboard.setUiAttributes({ holdfast: { ...right, offline_activity: 'Nowhere' } });
  const browser = await launch(stack, { extension: null, microphone: false });
  try {
    const flex = await FlexPage.open(browser.context, { waitReady: false });
    await flex.booted();
    await expect(flex.status).toHaveText(/Voice: not available/, { timeout: 20_000 });
    await expect(flex.toast('add an unavailable activity “Nowhere”')).toBeVisible();
    await flex.picture('flex-missing-activity');
    expect((await flex.store()).activity).toBe('Available');

    for (const [name, holdfast, words] of [
      ['missing', null, 'set “token_service_url”'],
      ['no-text', { token_service_url: 7 }, 'correct “token_service_url”'],
      ['no-url', { token_service_url: 'http://tokens.example.com/' }, 'correct “token_service_url”'],
      ['prefix', { ...right, identity_prefix: 'ext agent' }, 'correct “identity_prefix”'],
      ['controls', { ...right, call_controls: 'magic' }, 'correct “call_controls”'],
    ] as [string, object | null, string][]) {
      await switchboard.setUiAttributes({ holdfast });
      await flex.refresh();
      await expect(flex.status).toHaveText(/Voice: not available/, { timeout: 20_000 });
      // Told to the agent at once, and to whoever looks behind the header.
      await expect(flex.toast(`ask your administrator to ${words} in the Flex configuration (ui_attributes.holdfast)`)).toBeVisible();
      await flex.showDetails();
      await expect(flex.details).toContainText(words);
      if (name === 'no-text') await flex.picture('flex-wrong-setting');
    }
  } finally {
    await browser.close();
  }
});

test('in Spanish and in the dark theme: every state that an agent sees', async ({ driven, switchboard }) => {
  await switchboard.setActivity('Available');
  await switchboard.setFeatures(['localization-beta']);
  await switchboard.setUiAttributes({ language: 'es-MX', theme: { isLight: false } });
  const flex = await FlexPage.open(driven.context);
  const shows = async (name: string, status: RegExp, ...details: string[]) => {
    await expect(flex.status).toHaveText(status);
    await flex.showDetails();
    for (const words of details) await expect(flex.details).toContainText(words);
    await expect(flex.details).not.toContainText(/The extension|Voice|cannot/);
    await flex.picture(`flex-es-dark-${name}`);
    await flex.showDetails(false);
  };
  await shows('ready', /Voz: lista/, 'Cliente de voz', 'Las llamadas le llegan a través de la extensión.', 'Micrófono', 'Altavoz', 'Volumen');
  expect(await flex.page.evaluate(() => Twilio.Flex.Manager.getInstance().localization?.localeTag)).toBe('es-MX');
  await switchboard.task();
  await flex.accept();
  await flex.waitLive();
  await until('the extension to say how it sounds', async () => (await flex.beat()).call?.quality, { timeout: 20_000 });
  await shows('on-a-call', /Voz: en llamada/, 'La llamada está en la extensión', 'Calidad de la llamada');
  await flex.toggleMute();
  await shows('muted', /Voz: en llamada, silenciada/, 'su micrófono está silenciado');
  await flex.hangUp();
  await flex.complete();
  await switchboard.fault({ kind: 'signalling_refuse', ms: 30_000 });
  await switchboard.fault({ kind: 'signalling_drop' });
  await flex.untilActivity('Voice Client Offline');
  await expect(flex.toast('Su actividad será «Voice Client Offline» hasta que vuelva')).toBeVisible();
  await shows('not-available', /Voz: no disponible/, 'No se puede acceder a Twilio');
  expect(await flex.invoke('SetActivity', { activityName: 'Available' })).toContain('cancelled');
  await expect(flex.toast('Ahora no puede estar en «Available»')).toBeVisible();
  await flex.picture('flex-es-dark-refused');
});

test('an older version of the extension works, and says that it is to be updated', async ({ stack, switchboard }) => {
  await switchboard.setActivity('Available');
  const extension = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-older-'));
  fs.cpSync(stack.extension_dir, extension, { recursive: true });
  const manifest = JSON.parse(fs.readFileSync(path.join(extension, 'manifest.json'), 'utf8'));
  fs.writeFileSync(path.join(extension, 'manifest.json'), JSON.stringify({ ...manifest, version: '0.0.1' }));
  const browser = await launch(stack, { extension });
  try {
    const flex = await FlexPage.open(browser.context);
    await expect(flex.status).toHaveText(/Voice: ready/);
    await flex.showDetails();
    await expect(flex.page.getByTestId('holdfast-note')).toHaveText(
      `The extension (0.0.1) is older than this Flex plugin (${manifest.version}). Ask your administrator to update it.`);
    await flex.picture('flex-older-version');
  } finally {
    await browser.close();
    fs.rmSync(extension, { recursive: true, force: true });
  }
});
