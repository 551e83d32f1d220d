// The Flex plugin's entry: a classic script, because Flex notes which script calls Plugins.init, synchronously.
//
// It stands last in the bundle, inside one function with two names that the build puts before it:
//   wasm_bindgen          the glue of `wasm-bindgen --target no-modules`
//   HOLDFAST_WASM_BASE64  the WASM file as base64; not fetched, because Flex may inline plugins and they have no URL
class HoldfastPlugin {
  constructor() {
    this.name = 'HoldfastPlugin';
  }

  // Flex waits for this, at most its initializationTimeout (10 s), before it draws.
  async init(flex, manager) {
    try {
      const bytes = Uint8Array.from(atob(HOLDFAST_WASM_BASE64), (letter) => letter.charCodeAt(0));
      await wasm_bindgen({ module_or_path: bytes });
    } catch (error) {
      console.error('Holdfast: WebAssembly could not be started.', error);
      const id = 'HoldfastCannotStart';
      flex.Notifications.registerNotification({
        id,
        type: 'error',
        closeButton: true,
        timeout: 10000,
        content: 'Voice is not available: the Holdfast plugin could not start. Reload Flex, or ask your administrator.',
      });
      flex.Notifications.showNotification(id);
      return;
    }
    wasm_bindgen.start(flex, manager);
  }
}

window.Twilio.Flex.Plugins.init(HoldfastPlugin);
