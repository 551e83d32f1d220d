// Bundles the real Flex UI (npm @twilio/flex-ui, with React 17) into one classic script.
//
//   node bundle-flex.mjs OUTPUT.js [DIRECTORY WITH node_modules]
//
// Since 2.9 the npm package carries only a library that requires some sixty packages, so a browser needs a bundle.
// The licences of Flex UI's dependencies forbid handing the result on: it is built where it is used, never committed.
import { createRequire } from "node:module";
import { statSync } from "node:fs";
import path from "node:path";

const [outfile, root = process.cwd()] = process.argv.slice(2);
if (!outfile) {
  console.error("usage: bundle-flex.mjs OUTPUT.js [DIRECTORY WITH node_modules]");
  process.exit(2);
}
const resolveDir = path.resolve(root);
const esbuild = createRequire(path.join(resolveDir, "package.json"))("esbuild");

// What Twilio's own host page provides. Flex adds Redux and ReactRedux itself before it loads plugins.
const entry = `
import * as React from "react";
import * as ReactDOM from "react-dom";
Object.assign(window, { React, ReactDOM });
const Flex = require("@twilio/flex-ui");
window.Twilio = Object.assign(window.Twilio || {}, { Flex });
`;

// Some dependencies expect node's globals.
const globals = `
import { Buffer as NodeBuffer } from "buffer/";
export const process = {
  env: { NODE_ENV: "production" }, argv: [], version: "", versions: {}, browser: true, platform: "browser",
  cwd: () => "/", on() {}, emitWarning() {}, nextTick: (f, ...a) => Promise.resolve().then(() => f(...a)),
};
export const Buffer = NodeBuffer;
`;

const virtual = {
  name: "virtual",
  setup(build) {
    build.onResolve({ filter: /^flex-(entry|globals)$/ }, ({ path: name }) => ({ path: name, namespace: "ours" }));
    build.onLoad({ filter: /.*/, namespace: "ours" }, ({ path: name }) => ({
      contents: name === "flex-entry" ? entry : globals,
      resolveDir,
    }));
    // Node's own modules are required on paths that a browser never takes.
    const node = /^(fs|path|os|crypto|stream|http|https|net|tls|zlib|dns|child_process|module)$/;
    build.onResolve({ filter: node }, ({ path: name }) => ({ path: name, namespace: "absent" }));
    build.onLoad({ filter: /.*/, namespace: "absent" }, () => ({ contents: "module.exports = {}" }));
  },
};

const started = performance.now();
await esbuild.build({
  entryPoints: ["flex-entry"],
  inject: ["flex-globals"],
  absWorkingDir: resolveDir,
  outfile: path.resolve(outfile),
  bundle: true,
  minify: true,
  format: "iife",
  platform: "browser",
  mainFields: ["browser", "module", "main"],
  define: { "process.env.NODE_ENV": '"production"', global: "window" },
  loader: { ".graphql": "text" },
  plugins: [virtual],
  logLevel: "warning",
  logLimit: 30,
});
const bytes = statSync(outfile).size;
console.log(JSON.stringify({ bytes, ms: Math.round(performance.now() - started) }));
