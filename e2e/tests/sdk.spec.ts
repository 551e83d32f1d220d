// What Holdfast takes from inside the Voice SDK is there, and does what it is taken for. A newer SDK that changes it
// fails here, and not in a call that is slower or silent.
import { Probe } from '../lib/probe.ts';
import { until } from '../lib/stack.ts';
import { expect, test } from '../lib/test.ts';

test('the SDK is the build whose insides are known, and has what is reached for', async ({ untouched, stack, switchboard }) => {
  const probe = await Probe.openBare(untouched, stack, switchboard);
  await probe.register();
  const offscreen = await untouched.attach(({ url }) => url.endsWith('/offscreen.html'));
  // The document is there before its scripts have run.
  await until('the SDK to be loaded', () => offscreen.evaluate(() => 'Twilio' in globalThis));
  expect(await offscreen.evaluate(() => {
    const { Call, Device } = globalThis.Twilio;
    return { version: Device.version, setup: typeof Device.prototype._setupStream, call: typeof Call };
  })).toEqual({ version: '2.18.5', setup: 'function', call: 'function' });
});

test('the socket for the next call is open before it comes, takes no calls itself, and is the one that the call is taken on', async ({ untouched, stack, switchboard }) => {
  const probe = await Probe.openBare(untouched, stack, switchboard);
  const { voiceClientIdentity: identity } = await probe.register();
  const sockets = async () => (await switchboard.state()).sockets.filter(socket => socket.identity === identity);
  const [waiting] = await until('a socket that is open and not registered', async () => {
    const idle = (await sockets()).filter(({ registered }) => !registered);
    return idle.length === 1 && idle;
  });
  const sid = await probe.takeCall(identity);
  expect((await switchboard.getCall(sid)).socket).toBe(waiting.socket);
  await switchboard.hangUp(sid);
  await until('the next call to have a socket of its own', async () => {
    const idle = (await sockets()).filter(({ registered }) => !registered);
    return idle.length === 1 && idle[0].socket !== waiting.socket;
  });
});

test('a waiting socket that was lost costs the next call nothing but time', async ({ untouched, stack, switchboard }) => {
  const probe = await Probe.openBare(untouched, stack, switchboard);
  const { voiceClientIdentity: identity } = await probe.register();
  for (let round = 1; round <= 2; round++) {
    await switchboard.fault({ kind: 'signalling_drop' });
    await until('the registration to be back', async () =>
      (await switchboard.state()).sockets.some(socket => socket.identity === identity && socket.registered));
    const sid = await probe.takeCall(identity);
    await switchboard.hangUp(sid);
    await probe.waitState('the call to be gone', ({ call }) => call == null);
  }
});
