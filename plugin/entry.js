// The Flex plugin's entry: a classic script, because Flex notes which script calls Plugins.init, synchronously.
//
// It stands last in the bundle, inside one function with two names that the build puts before it:
//   wasm_bindgen                the glue of `wasm-bindgen --target no-modules`
//   HOLDFAST_WASM_GZIP_BASE64   the WASM file; not fetched, because Flex may inline plugins and they have no URL
const CANNOT_START = {
  en: 'Voice is not available: the Holdfast plugin could not start. Reload Flex, or ask your administrator.',
  es: 'La voz no está disponible: el complemento Holdfast no pudo iniciarse. Recargue Flex o consulte a su administrador.',
};

class HoldfastPlugin {
  constructor() {
    this.name = 'HoldfastPlugin';
  }

  // Flex waits for this, at most its initializationTimeout (10 s), before it draws.
  async init(flex, manager) {
    try {
      const bytes = Uint8Array.from(atob(HOLDFAST_WASM_GZIP_BASE64), (letter) => letter.charCodeAt(0));
      const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
      await wasm_bindgen({ module_or_path: await new Response(plain).arrayBuffer() });
      wasm_bindgen.start(flex, manager, failClosed);
    } catch (error) {
      console.error('Holdfast: could not be started.', error);
      const id = 'HoldfastCannotStart';
      const language = String(manager.localization?.localeTag ?? navigator.language).slice(0, 2);
      const content = CANNOT_START[language] ?? CANNOT_START.en;
      flex.Notifications.registerNotification({ id, type: 'error', closeButton: true, timeout: 10000, content });
      flex.Notifications.showNotification(id);
    }
  }
}

// Lets the content script, which shares the page's thread, pass on what was just posted to it before Flex goes on and draws.
const delivered = () => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => resolve(port1.close());
  port2.postMessage(null);
});

// Flex lets an action through when a before-listener throws. `allows` says true, or the action is stopped.
function failClosed(allows) {
  return (payload, abort) => {
    try {
      if (allows(payload) === true) return delivered();
    } catch (error) {
      console.error('Holdfast: an action is stopped, because it could not be judged.', error);
    }
    abort();
  };
}

window.Twilio.Flex.Plugins.init(HoldfastPlugin);
