// What browsers have and jsdom has not, as far as Grafana's components ask for it at load.
const none = { matches: false, addEventListener() {}, removeEventListener() {}, addListener() {}, removeListener() {} };
Object.assign(window, { matchMedia: () => none, __grafana_public_path__: '/public/' });
globalThis.ResizeObserver ??= class { observe() {} unobserve() {} disconnect() {} } as any;
