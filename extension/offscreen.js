// Loads the WASM of offscreen-wasm. twilio.min.js ran before: scripts without `type="module"` do.
import init, { start } from './pkg/offscreen.js';

await init();
start();
