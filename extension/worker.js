// The service worker. The WASM is inside a module and instantiated synchronously, so that Rust itself
// registers every listener in the worker's first turn; with an await before that, Chrome would lose the event
// that woke the worker.
import './vendor/twilio.min.js';
import { initSync, start } from './pkg/worker.js';
import { bytes } from './pkg/worker_wasm.js';

initSync({ module: bytes });
start();
