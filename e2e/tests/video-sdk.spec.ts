// The unmodified `twilio-video` in rooms of the sandbox: two pages see and hear each other, and each fault gives the event
// or the error that Twilio documents.
import { until } from '../lib/stack.ts';
import { expect } from '../lib/test.ts';
import { type Loaded, type Rooms, type VideoPage, test, videoToken } from '../lib/video.ts';

/** Two in a room who see each other. */
async function meet(rooms: Rooms, open: (who: string) => Promise<VideoPage>, name: string, options = {}) {
  await rooms.create(name);
  const [agent, customer] = [await open('agent'), await open('customer')];
  expect(await agent.join(name, options)).toEqual({ ok: true });
  expect(await customer.join(name, options)).toEqual({ ok: true });
  await rooms.gets(name, 'customer', 'agent');
  await rooms.gets(name, 'agent', 'customer');
  return { agent, customer };
}

test('two pages of the real twilio-video see and hear each other, and the sandbox says so', async ({ rooms, open }) => {
  const { agent, customer } = await meet(rooms, open, 'two');
  await agent.sees();
  await customer.sees();
  await agent.hearsSound();
  await customer.hearsSound();
  await rooms.gets('two', 'customer', 'agent', 'audio');
  const { track } = await rooms.way('two', 'agent', 'customer');
  expect({ width: track.media?.width, height: track.media?.height }).toEqual({ width: 320, height: 180 });
  const { body } = await rooms.rest<{ participants: { identity: string }[] }>('GET', '/Rooms/two/Participants?Status=connected');
  expect(body.participants.map(({ identity }) => identity).sort()).toEqual(['agent', 'customer']);
  await customer.leave();
  await agent.hears('participantDisconnected', ['customer']);
  await customer.hears('disconnected', [null]);
});

test('what one mutes, switches off, shares or writes in a room the other is told of, and the sandbox counts it', async ({ rooms, open }) => {
  const { agent, customer } = await meet(rooms, open, 'changes');
  await customer.page.evaluate(() => window.__room.localParticipant.audioTracks.forEach(({ track }) => track.disable()));
  await agent.hears('trackDisabled', ['audio']);
  expect((await rooms.way('changes', 'customer', 'agent', 'audio')).track.enabled).toBe(false);
  await customer.page.evaluate(() => window.__room.localParticipant.audioTracks.forEach(({ track }) => track.enable()));
  await agent.hears('trackEnabled', ['audio']);
  await customer.page.evaluate(() => window.__room.localParticipant.videoTracks.forEach(({ track }) => {
    track.stop();
    window.__room.localParticipant.unpublishTrack(track);
  }));
  await agent.hears('trackUnsubscribed', ['video']);
  expect(await rooms.flow('changes', 'customer', 'agent')).toBeUndefined();
  await customer.page.evaluate(async () => {
    const canvas = document.createElement('canvas');
    canvas.width = 320;
    canvas.height = 180;
    const context = canvas.getContext('2d')!;
    setInterval(() => { context.fillStyle = `hsl(${performance.now() % 360} 90% 50%)`; context.fillRect(0, 0, 320, 180); }, 100);
    const { LocalVideoTrack, LocalDataTrack } = (window as unknown as Loaded).Twilio.Video;
    await window.__room.localParticipant.publishTrack(new LocalVideoTrack(canvas.captureStream(10).getVideoTracks()[0], { name: 'screen' }));
    window.__data = new LocalDataTrack();
    await window.__room.localParticipant.publishTrack(window.__data);
  });
  await rooms.gets('changes', 'agent', 'customer');
  expect((await rooms.way('changes', 'customer', 'agent')).track.name).toBe('screen');
  await agent.sees();
  await agent.hears('trackSubscribed', ['data']);
  // What is said before the channel is open on both sides is lost, as with Twilio.
  await until('a message of the data track', async () => {
    await customer.page.evaluate(() => window.__data.send('hello'));
    return (await agent.said()).some(([who, what, text]) => who === 'data' && what === 'message' && text === 'hello');
  });
});

test('a lost socket costs no picture: the SDK is reconnecting, and then is back', async ({ rooms, open, switchboard }) => {
  const { agent, customer } = await meet(rooms, open, 'socket');
  await switchboard.fault({ kind: 'video_socket', identity: 'customer', lasts_ms: 3000 });
  await customer.hears('reconnecting', [53001]);
  await agent.hears('participantReconnecting', ['customer']);
  const during = await rooms.way('socket', 'agent', 'customer');
  await until('frames to go on while the socket is lost', async () => (await rooms.way('socket', 'agent', 'customer')).frames > during.frames + 3);
  await customer.hears('reconnected');
  await agent.hears('participantReconnected', ['customer']);
  // What was negotiated before still is: a track that is published now arrives.
  await customer.page.evaluate(() => window.__room.localParticipant.audioTracks.forEach(({ track }) => track.disable()));
  await agent.hears('trackDisabled', ['audio']);
  await agent.sees();
  await customer.sees();
});

test('lost media shows as reconnecting, and a room is whole again when it is back', async ({ rooms, open, switchboard }) => {
  const { agent, customer } = await meet(rooms, open, 'media');
  await switchboard.fault({ kind: 'video_media', identity: 'customer', lasts_ms: 12_000 });
  await customer.hears('reconnecting', [53405]);
  expect((await rooms.way('media', 'agent', 'customer')).silent_ms).toBeGreaterThan(1000);
  await customer.hears('reconnected');
  await rooms.gets('media', 'customer', 'agent');
  await rooms.gets('media', 'agent', 'customer');
  await customer.sees();
  await agent.sees();
});

test('socket and media lost at once are both back', async ({ rooms, open, switchboard }) => {
  const { agent, customer } = await meet(rooms, open, 'both');
  await switchboard.fault({ kind: 'video_both', identity: 'customer', lasts_ms: 6000 });
  await customer.hears('reconnecting', [53001]);
  await agent.hears('participantReconnecting', ['customer']);
  await customer.hears('reconnected');
  await agent.hears('participantReconnected', ['customer']);
  await rooms.gets('both', 'customer', 'agent');
  await rooms.gets('both', 'agent', 'customer');
  await customer.sees();
  await agent.sees();
});

test('a completed room ends for everybody with 53118, and nobody gets in again', async ({ rooms, open, switchboard }) => {
  await switchboard.setAdHocRooms(false);
  const { agent, customer } = await meet(rooms, open, 'over');
  expect((await rooms.rest('POST', `/Rooms/over`, { Status: 'completed' })).body.status).toBe('completed');
  await agent.hears('disconnected', [53118]);
  await customer.hears('disconnected', [53118]);
  expect((await agent.said()).map(([, what]) => what)).not.toContain('participantDisconnected');
  expect(await customer.join('over')).toMatchObject({ ok: false, code: 53106 });
  expect(await customer.join('never')).toMatchObject({ ok: false, code: 53103 });
});

test('who is removed is told of no error, and the others that they are gone', async ({ rooms, open }) => {
  const { agent, customer } = await meet(rooms, open, 'removed');
  const { status } = await rooms.rest('POST', '/Rooms/removed/Participants/customer', { Status: 'disconnected' });
  expect(status).toBe(200);
  await customer.hears('disconnected', [null]);
  await agent.hears('participantDisconnected', ['customer']);
});

test('who cannot join is told why: full, expired, another room, a wrong key, no grant', async ({ rooms, open, stack, switchboard }) => {
  const page = await open('customer');
  await rooms.create('small', { MaxParticipants: '1' });
  await (await open('agent')).join('small');
  const refused = async (token: string) => (await page.join('small', { token })).code;
  expect(await refused(videoToken(stack, 'customer', { room: 'small' }))).toBe(53105);
  expect(await refused(videoToken(stack, 'customer', { room: 'small', ttl: -10 }))).toBe(20104);
  expect(await refused(videoToken(stack, 'customer', { room: 'other' }))).toBe(53104);
  expect(await refused(videoToken(stack, 'customer', { room: 'small', secret: 'another' }))).toBe(20107);
  expect(await refused(videoToken(stack, 'customer', { grants: { identity: 'customer' } }))).toBe(20106);
  expect(await refused('not a token')).toBe(20101);
  await rooms.create('large');
  await switchboard.fault({ kind: 'video_full', room: 'large', lasts_ms: 60_000 });
  expect((await page.join('large')).code).toBe(53105);
});

test('a token that expires ends the call at the next loss of the socket, and too long a stay with 53216', async ({ rooms, open, switchboard }) => {
  const { agent, customer } = await meet(rooms, open, 'expired');
  await switchboard.fault({ kind: 'video_expired', identity: 'customer', lasts_ms: 60_000 });
  await customer.hears('disconnected', [20104]);
  await agent.hears('participantDisconnected', ['customer']);
  await switchboard.fault({ kind: 'video_too_long', identity: 'agent' });
  await agent.hears('disconnected', [53216]);
});

test('a page that is loaded again rejoins with the same name and throws its older self out', async ({ rooms, open }) => {
  const { agent, customer } = await meet(rooms, open, 'reload');
  // A second page of the same identity: the older one hears why.
  const twin = await open('customer');
  expect(await twin.join('reload')).toEqual({ ok: true });
  await customer.hears('disconnected', [53205]);
  await rooms.gets('reload', 'agent', 'customer');
  // A page that leaves as it goes is gone at once, and comes back as a new participant.
  await twin.page.evaluate(() => addEventListener('pagehide', () => window.__room.disconnect()));
  await twin.page.reload();
  await until('the agent to be told that the customer left twice', async () =>
    (await agent.said()).filter(([, what]) => what === 'participantDisconnected').length === 2, { timeout: 10_000 });
  expect(await twin.join('reload')).toEqual({ ok: true });
  await rooms.gets('reload', 'agent', 'customer');
  await rooms.gets('reload', 'customer', 'agent');
  await agent.sees();
  await twin.sees();
});

test('a tab that is closed without a word is reconnecting for the others, who know it at once', async ({ rooms, open }) => {
  const { agent, customer } = await meet(rooms, open, 'closed');
  await customer.page.close();
  await agent.hears('participantReconnecting', ['customer'], { timeout: 5000 });
});

test('with all options on, who speaks, how the network is and what is looked at are told', async ({ rooms, open, switchboard }) => {
  const options = {
    dominantSpeaker: true, networkQuality: { local: 2, remote: 1 }, bandwidthProfile: { video: { mode: 'collaboration' } },
    preferredVideoCodecs: 'auto', maxAudioBitrate: 16_000,
  };
  const { agent, customer } = await meet(rooms, open, 'options', options);
  await agent.hears('dominantSpeakerChanged');
  await agent.hears('networkQualityLevelChanged', [5]);
  await switchboard.fault({ kind: 'video_quality', identity: 'agent', level: 1, lasts_ms: 60_000 });
  await agent.hears('networkQualityLevelChanged', [1]);
  await agent.page.evaluate(() => document.querySelectorAll('video').forEach(video => { video.style.display = 'none'; }));
  await agent.hears('trackSwitchedOff');
  await until('nothing to go where nobody looks', async () => (await rooms.way('options', 'customer', 'agent')).switched_off);
  await agent.page.evaluate(() => document.querySelectorAll('video').forEach(video => { video.style.display = ''; }));
  await agent.hears('trackSwitchedOn');
  await rooms.gets('options', 'agent', 'customer');
  await customer.sees();
});

test('recording rules are told to everybody in the room', async ({ rooms, open }) => {
  const { agent, customer } = await meet(rooms, open, 'recorded');
  const rules = (type: string) => rooms.rest('POST', '/Rooms/recorded/RecordingRules', { Rules: JSON.stringify([{ type, all: true }]) });
  expect((await rules('include')).status).toBe(202);
  await agent.hears('recordingStarted');
  await customer.hears('recordingStarted');
  await rules('exclude');
  await agent.hears('recordingStopped');
});
