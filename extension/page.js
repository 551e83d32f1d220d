// Popup, welcome and options pages: loads the WASM and says which page this is. Everything else is Rust.
import init, { start } from './pkg/popup.js';

await init();
start(document.body.dataset.page);
