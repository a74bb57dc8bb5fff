import { readFileSync } from 'node:fs';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** What Grafana's components would fetch lazily for code editors and maps, which no page of ours has. */
function leaveOut(...names: RegExp[]): Plugin {
  const id = '\0left-out';
  return {
    name: 'leave-out',
    enforce: 'pre',
    resolveId: (source) => (names.some((n) => n.test(source)) ? id : undefined),
    load: (loaded) => (loaded === id
      ? 'const LeftOut = () => null;\nexport default LeftOut;\nexport { LeftOut as ReactMonacoEditor, LeftOut as OpenLayersProvider };\n'
      : undefined),
  };
}

/** The icons that Grafana's components on our pages fetch by name. */
function icons(...names: string[]): Plugin {
  return {
    name: 'icons',
    generateBundle() {
      for (const name of names) {
        const file = `unicons/${name}.svg`;
        const source = readFileSync(new URL(`node_modules/@grafana/ui/dist/public/img/icons/${file}`, import.meta.url));
        this.emitFile({ type: 'asset', fileName: `public/build/img/icons/${file}`, source });
      }
    },
  };
}

export default defineConfig({
  plugins: [
    icons(
      'angle-down', 'angle-left', 'angle-right', 'angle-up', 'arrow-down', 'arrow-up', 'calendar-alt', 'check', 'clock-nine', 'copy',
      'exclamation-triangle', 'external-link-alt', 'filter', 'info-circle', 'search', 'search-minus', 'sync', 'times'
    ),
    leaveOut(/ReactMonacoEditor(\.mjs)?$/, /OpenLayersProvider(\.mjs)?$/),
    react(),
  ],
  // Grafana's packages read process.env.NODE_ENV and global in places.
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  build: { outDir: '../dist', emptyOutDir: true, chunkSizeWarningLimit: 4000, assetsInlineLimit: 0 },
  // For work on the pages: the server of a running sandbox.
  server: { proxy: { '/api': process.env.SANDBOX ?? 'http://127.0.0.1:3000' } },
});
