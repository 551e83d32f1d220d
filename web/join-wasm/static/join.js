// The first view of a call: in whose language, and what is loaded after the tap. Everything else is Rust.
(() => {
  const page = document.documentElement;
  page.lang = /^es\b/i.test(navigator.language) ? 'es' : 'en';
  page.dataset.state = window.WebAssembly && window.RTCPeerConnection ? 'ready' : 'old';

  const parsed = new Promise(resolve => addEventListener('DOMContentLoaded', resolve, { once: true }));

  const script = source => new Promise((loaded, failed) => {
    document.head.append(Object.assign(document.createElement('script'), { src: source, onload: loaded, onerror: failed }));
  });

  // While it loads, the SDK looks for `import()` by `new Function`, which the page's policy forbids; but not where there is no `URL`.
  const sdk = async () => {
    if (window.Twilio && window.Twilio.Video) return;
    const { URL } = window;
    window.URL = undefined;
    try {
      await script('vendor/twilio-video.min.js');
    } finally {
      window.URL = URL;
    }
  };

  let attempt = 0;
  const rust = async () => {
    // A module that failed to load stays failed under its address in some browsers.
    const join = await import(attempt ? `./pkg/join.js?${attempt}` : './pkg/join.js');
    await join.default({ module_or_path: fetch('pkg/join_bg.wasm') });
    return join;
  };

  const load = async () => {
    if (page.dataset.state === 'loading') return;
    page.dataset.state = 'loading';
    try {
      const [join] = await Promise.all([rust(), sdk(), parsed]);
      join.start('join');
      page.dataset.state = 'started';
    } catch {
      attempt += 1;
      page.dataset.state = 'failed';
      document.getElementById('again').focus();
    }
  };

  parsed.then(() => ['start', 'again'].forEach(id => document.getElementById(id).addEventListener('click', load)));

  // Without a tap: in the extension, in the agent's tab, and after a reload of somebody who was in the room.
  // As the page keeps it, whatever a chat put behind the link, and in capitals too.
  const code = location.pathname.split('/v/').pop().toLowerCase().slice(0, 20);
  let kept = '';
  try {
    kept = localStorage.getItem(`holdfast.video.${code}`) || '';
  } catch { /* Storage may be shut off. */ }
  const atOnce = location.protocol === 'chrome-extension:' || location.hash === '#start' || kept.startsWith('in\n');
  if (atOnce && page.dataset.state === 'ready') load();
})();
