// What Holdfast's token service is measured against: the function that it replaces, on express, with Twilio's own
// packages. They are resolved from the working directory, where the benchmark has installed the versions in question.
//
// Only two things differ from how it runs at Twilio. The validator's hard-wired host leads to the benchmark's stand-in
// (over TLS, with connections kept). And it logs nothing, while the original prints every token that it makes.
const fs = require("node:fs");
const https = require("node:https");
const { createRequire } = require("node:module");

const from = createRequire(`${process.cwd()}/`);
const express = from("express");
const Twilio = from("twilio");
const { functionValidator } = from("twilio-flex-token-validator");

const agent = new https.Agent({ keepAlive: true });
const ca = fs.readFileSync(process.env.IAM_CA);
const request = https.request;
https.request = (options, ...rest) => {
  if (options.hostname !== "iam.twilio.com") throw new Error(`unexpected host ${options.hostname}`);
  const here = { hostname: "127.0.0.1", port: Number(process.env.IAM_PORT), servername: "iam.twilio.com" };
  return request({ ...options, ...here, ca, agent }, ...rest);
};

// What Twilio's runtime gives a function.
class Response {
  headers = {};
  statusCode = 200;
  appendHeader(name, value) {
    this.headers[name] = value;
  }
  setStatusCode(code) {
    this.statusCode = code;
  }
  setBody(body) {
    this.body = body;
  }
}
globalThis.Twilio = Object.assign(Twilio, { Response });
const { ACCOUNT_SID, AUTH_TOKEN, API_KEY, API_SECRET } = process.env;
const context = { ACCOUNT_SID, AUTH_TOKEN, API_KEY, API_SECRET };

const handler = functionValidator((context, event, callback) => {
  const response = new Response();
  response.appendHeader("Access-Control-Allow-Origin", "*");
  response.appendHeader("Access-Control-Allow-Methods", "OPTIONS, POST, GET");
  response.appendHeader("Access-Control-Allow-Headers", "Content-Type");
  response.appendHeader("Content-Type", "application/json");
  const { AccessToken } = Twilio.jwt;
  const identity = `${event.VoiceClientPrefix}${event.TokenResult.identity}`;
  const token = new AccessToken(context.ACCOUNT_SID, context.API_KEY, context.API_SECRET, { identity, ttl: 86400 });
  token.addGrant(new AccessToken.VoiceGrant({ incomingAllow: true }));
  response.setBody({ identity, token: token.toJwt() });
  callback(null, response);
});

const app = express();
app.use(express.urlencoded({ extended: false }), express.json());
app.get("/ready", (_, answer) => answer.send("ready\n"));
app.all("/generateToken", (asked, answer) => {
  handler(context, { ...asked.query, ...asked.body }, (_, response) => {
    answer.status(response.statusCode).set(response.headers).send(response.body);
  });
});
const server = app.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ event: "ready", port: server.address().port }));
});
process.stdin.on("end", () => process.exit(0)).resume();
