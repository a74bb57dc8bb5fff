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

export default defineConfig({
  plugins: [leaveOut(/ReactMonacoEditor(\.mjs)?$/, /OpenLayersProvider(\.mjs)?$/), react()],
  // Grafana's packages read process.env.NODE_ENV and global in places.
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  build: { outDir: '../dist', emptyOutDir: true, chunkSizeWarningLimit: 4000, assetsInlineLimit: 0 },
  // For work on the pages: the server of a running sandbox.
  server: { proxy: { '/api': process.env.SANDBOX ?? 'http://127.0.0.1:3000' } },
});
