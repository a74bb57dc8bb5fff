// What of Grafana's packages the pages do not run, or not at once, and how the build keeps it away from the first visit.
import { selectors } from '@grafana/e2e-selectors';
import type { Plugin } from 'vite';

/** Puts nothing, under the names that importers want, in the place of modules that no page of ours runs. */
export function leaveOut(names: RegExp[], ...exports: string[]): Plugin {
  const id = '\0left-out:' + names.join();
  return {
    name: 'leave-out',
    enforce: 'pre',
    resolveId: (source) => (names.some((n) => n.test(source)) ? id : undefined),
    load: (loaded) => (loaded === id
      ? `const LeftOut = () => null;\nexport default LeftOut;\nexport { ${exports.map((e) => 'LeftOut as ' + e).join(', ')} };\n`
      : undefined),
  };
}

/** Gives a component of Grafana's a chunk of its own, which src/later.tsx fetches. */
export function fetchLater(importer: RegExp, source: RegExp, name: string): Plugin {
  const prefix = '\0later:';
  const helper = JSON.stringify(new URL('src/later.tsx', import.meta.url).pathname);
  return {
    name: 'fetch-later',
    enforce: 'pre',
    async resolveId(wanted, from) {
      if (!from || !importer.test(from) || !source.test(wanted)) {
        return undefined;
      }
      const real = await this.resolve(wanted, from, { skipSelf: true });
      return real && prefix + real.id;
    },
    load: (id) => (id.startsWith(prefix)
      ? `import { later } from ${helper};\nexport const ${name} = later(() => import(${JSON.stringify(id.slice(prefix.length))}).then((m) => m.${name}));\n`
      : undefined),
  };
}

/** Describes the shape of themes for who reads them from files: every word of it may be said, and means nothing. */
export function noSchemas(): Plugin {
  const id = '\0no-schemas';
  const words = ['array', 'boolean', 'enum', 'int', 'literal', 'number', 'object', 'string', 'union'];
  return {
    name: 'no-schemas',
    enforce: 'pre',
    resolveId: (source) => (source === 'zod' ? id : undefined),
    load: (loaded) => (loaded === id
      ? `const any = new Proxy(() => any, { get: () => any });\nexport { ${words.map((w) => 'any as ' + w).join(', ')} };\n`
      : undefined),
  };
}

/** The names that Grafana's own tests find elements by, chosen for this version now and not by comparing versions in the browser. */
export function chosenSelectors(): Plugin {
  const id = '\0selectors';
  const code = (value: unknown): string => (typeof value === 'object' && value !== null
    ? `{${Object.entries(value).map(([k, v]) => `${JSON.stringify(k)}:${code(v)}`).join(',')}}`
    : typeof value === 'function' ? `(${value})` : JSON.stringify(value));
  return {
    name: 'chosen-selectors',
    enforce: 'pre',
    resolveId: (source) => (source === '@grafana/e2e-selectors' ? id : undefined),
    load: (loaded) => (loaded === id
      ? `export const Components = ${code(selectors.components)};\nexport const Pages = ${code(selectors.pages)};\nexport const selectors = { components: Components, pages: Pages };\n`
      : undefined),
  };
}
