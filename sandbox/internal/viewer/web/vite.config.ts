import { readFileSync } from 'node:fs';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';
import { chosenSelectors, fetchLater, leaveOut, noSchemas } from './lean';

/** Names each series of a legend by its name: Grafana's own label for it is the same for all of them. */
function legendNames(): Plugin {
  return {
    name: 'legend-names',
    transform(code, id) {
      if (!/VizLegendListItem\.mjs$/.test(id)) {
        return undefined;
      }
      const named = code.replace('t("grafana-ui.viz-legend.all-series-selected", "All series selected")', 'item.label');
      if (named === code) {
        this.error('VizLegendListItem is not as it was: see whether it names its buttons now');
      }
      return { code: named, map: null };
    },
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
        if (name === 'angle-double-right') {
          // Asked for, and not in the package: the other one, turned around.
          const turned = source.toString().replaceAll('<path ', '<path transform="translate(24 0) scale(-1 1)" ');
          this.emitFile({ type: 'asset', fileName: 'public/build/img/icons/unicons/angle-double-left.svg', source: turned });
        }
      }
    },
  };
}

/** Grafana's font, the Latin letters of it, where its styles look for it. */
function fonts(): Plugin {
  return {
    name: 'fonts',
    generateBundle() {
      for (const [style, name] of [['400-normal', 'Regular'], ['500-normal', 'Medium']]) {
        const source = readFileSync(new URL(`node_modules/@fontsource/inter/files/inter-latin-${style}.woff2`, import.meta.url));
        this.emitFile({ type: 'asset', fileName: `public/fonts/inter/Inter-${name}.woff2`, source });
      }
    },
  };
}

export default defineConfig({
  plugins: [
    fonts(),
    legendNames(),
    icons(
      'angle-double-right', 'angle-down', 'angle-left', 'angle-right', 'angle-up', 'arrow-down', 'arrow-up', 'calendar-alt',
      'check', 'clipboard-alt', 'clock-nine', 'copy', 'exclamation-triangle', 'external-link-alt', 'filter', 'info-circle', 'link', 'search', 'search-minus', 'sync', 'times'
    ),
    // Editors of code, maps, the choice of a series' colour, and that of an interval, which our pages have as a <select>.
    leaveOut([/ReactMonacoEditor(\.mjs)?$/], 'ReactMonacoEditor'),
    leaveOut([/OpenLayersProvider(\.mjs)?$/], 'OpenLayersProvider'),
    leaveOut([/\/ColorPicker\.mjs$/], 'ColorPicker', 'SeriesColorPicker'),
    leaveOut([/\/ButtonSelect\.mjs$/], 'ButtonSelect'),
    fetchLater(/\/TimeRangePicker\.mjs$/, /\/TimePickerContent\.mjs$/, 'TimePickerContent'),
    noSchemas(),
    chosenSelectors(),
    react(),
  ],
  resolve: {
    alias: [
      { find: /^lodash$/, replacement: 'lodash-es' },
      { find: /^moment-timezone$/, replacement: new URL('src/lean/zones.ts', import.meta.url).pathname },
      { find: /^react-dom\/server$/, replacement: new URL('src/lean/markup.ts', import.meta.url).pathname },
    ],
  },
  // Grafana's packages read process.env.NODE_ENV and global in places.
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  build: { outDir: '../dist', emptyOutDir: true, chunkSizeWarningLimit: 4000, assetsInlineLimit: 0, cssCodeSplit: false, modulePreload: false, rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'sanitize', test: /node_modules\/(dompurify|xss|cssfilter|@braintree)\/|\/sanitize\.mjs$/, priority: 1 }, { name: 'first', tags: ['$initial'] }] } } } },
  // For work on the pages: the server of a running sandbox.
  server: { proxy: { '/api': process.env.SANDBOX ?? 'http://127.0.0.1:3000' } },
});
