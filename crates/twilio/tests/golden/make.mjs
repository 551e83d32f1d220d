// Makes access_tokens.json and signatures.json with Twilio's own library. Needs `npm install twilio@6.2.0` (or 3.84.1,
// which agrees) beside this file:
//   node make.mjs
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import twilio from "twilio";

const NOW = 1_700_000_000;
Date.now = () => NOW * 1000;
const sid = (kind, digit) => kind + digit.repeat(32);
const { AccessToken } = twilio.jwt;
const { VoiceGrant, VideoGrant, ChatGrant, SyncGrant, TaskRouterGrant, PlaybackGrant } = AccessToken;

const grants = {
  "voice incoming": [new VoiceGrant({ incomingAllow: true })],
  "voice outgoing": [new VoiceGrant({ outgoingApplicationSid: sid("AP", "3") })],
  "voice with everything": [
    new VoiceGrant({
      incomingAllow: true,
      outgoingApplicationSid: sid("AP", "3"),
      outgoingApplicationParams: { campaign: "spring", region: "ü" },
      pushCredentialSid: sid("CR", "4"),
      endpointId: "desk-1",
    }),
  ],
  "video any room": [new VideoGrant({})],
  "video one room": [new VideoGrant({ room: "consultation" })],
  chat: [new ChatGrant({ serviceSid: sid("IS", "5") })],
  "chat with everything": [
    new ChatGrant({
      serviceSid: sid("IS", "5"),
      endpointId: "desk-1",
      deploymentRoleSid: sid("RL", "6"),
      pushCredentialSid: sid("CR", "4"),
    }),
  ],
  sync: [new SyncGrant({ serviceSid: sid("IS", "7"), endpointId: "desk-1" })],
  "task router": [
    new TaskRouterGrant({ workspaceSid: sid("WS", "8"), workerSid: sid("WK", "9"), role: "worker" }),
  ],
  playback: [
    new PlaybackGrant({ grant: { requestCredentials: null, playbackUrl: "https://media.example/x", playerStreamerSid: sid("VJ", "a") } }),
  ],
  "all of them": [
    new VoiceGrant({ incomingAllow: true }),
    new VideoGrant({ room: "consultation" }),
    new ChatGrant({ serviceSid: sid("IS", "5") }),
    new SyncGrant({ serviceSid: sid("IS", "7") }),
    new TaskRouterGrant({ workspaceSid: sid("WS", "8"), workerSid: sid("WK", "9"), role: "worker" }),
  ],
};
const tokens = Object.entries(grants).map(([name, granted]) => {
  const token = new AccessToken(sid("AC", "1"), sid("SK", "2"), "secret", { identity: "alice", ttl: 3600 });
  for (const grant of granted) token.addGrant(grant);
  return { name, jwt: token.toJwt() };
});
writeFileSync("access_tokens.json", JSON.stringify(tokens, null, 1) + "\n");

const { getExpectedTwilioSignature } = await import("twilio/lib/webhooks/webhooks.js").then((m) => m.default ?? m);
const auth = "12345";
const url = "https://mycompany.com/myapp.php?foo=1&bar=2";
const form = { CallSid: "CA1234567890ABCDE", Caller: "+14158675309", Digits: "1234", From: "+14158675309", To: "+18005551212" };
const body = '{"property": "value", "boolean": true}';
const hash = createHash("sha256").update(body).digest("hex");
const cases = [
  ["form", url, form],
  ["no parameters", "https://mycompany.com/", {}],
  ["several values of one name", url, { Media: ["b", "a", "b"], A: "1" }],
  ["not ASCII", "https://mycompany.com/ä", { "Ünder": "日本" }],
  ["empty value", url, { Empty: "", Digits: "0" }],
  ["with the port", "https://mycompany.com:8443/x", form],
  ["a hash of the body", `https://mycompany.com/myapp.php?bodySHA256=${hash}`, {}],
];
const signatures = cases.map(([name, url, params]) => ({
  name,
  url,
  params: Object.entries(params).flatMap(([key, value]) => [value].flat().map((one) => [key, one])),
  signature: getExpectedTwilioSignature(auth, url, params),
}));
writeFileSync("signatures.json", JSON.stringify({ auth_token: auth, body, body_sha256: hash, requests: signatures }, null, 1) + "\n");
