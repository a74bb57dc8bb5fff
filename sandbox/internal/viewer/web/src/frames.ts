import {
  fieldMatchers, FieldType, getDisplayProcessor, getFieldDisplayName, getMinMaxAndDelta, toDataFrame, type DataFrame, type Field, type FieldConfigSource, type GrafanaTheme2, type Labels,
} from '@grafana/data';
import type { PromSeries } from './api';

/** A series' name: the legend format with its labels filled in, else the series as Prometheus writes it. */
export function legend(pattern: string | undefined, metric: Labels): string {
  if (pattern && pattern !== '__auto') {
    return pattern.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, name) => metric[name] ?? '').trim();
  }
  const { __name__: name = '', ...rest } = metric;
  const labels = Object.entries(rest).map(([k, v]) => `${k}="${v}"`);
  return labels.length > 0 ? `${name}{${labels.join(', ')}}` : name || 'value';
}

/** One frame for each series, with a point for every step, so that gaps are gaps. */
export function rangeFrames(refId: string, series: PromSeries[], pattern: string | undefined, from: number, to: number, step: number): DataFrame[] {
  return series.map((s) => {
    const at = new Map((s.values ?? (s.value ? [s.value] : [])).map(([t, v]) => [Math.round(t * 1000), number(v)]));
    const times: number[] = [];
    const values: Array<number | null> = [];
    for (let t = Math.round(from * 1000); t <= Math.round(to * 1000); t += step * 1000) {
      times.push(t);
      const v = at.get(t);
      values.push(v === undefined || Number.isNaN(v) ? null : v);
    }
    const { __name__: _, ...labels } = s.metric;
    return toDataFrame({
      refId,
      name: s.name ?? legend(pattern, s.metric),
      fields: [
        { name: 'Time', type: FieldType.time, values: times },
        { name: 'Value', type: FieldType.number, labels, config: { displayNameFromDS: s.name ?? legend(pattern, s.metric) }, values },
      ],
    });
  });
}

/** The buckets of a histogram, each with what is in it alone: Prometheus counts all below a bound. */
export function bucketFrames(frames: DataFrame[]): DataFrame[] {
  const bound = (f: DataFrame) => Number((f.fields[1].labels?.le ?? '').replace('+Inf', 'Infinity'));
  const sorted = frames.filter((f) => f.fields[1].labels?.le).sort((a, b) => bound(a) - bound(b));
  return sorted.map((f, i) => {
    const below = i > 0 ? sorted[i - 1].fields[1].values : [];
    const values = f.fields[1].values.map((v: number | null, at: number) => (v === null ? null : Math.max(0, v - (below[at] ?? 0))));
    return { ...f, fields: [f.fields[0], { ...f.fields[1], values }] };
  });
}

/** One frame with a row for each series, its labels as columns, its value in one of the given name. */
export function tableFrame(refId: string, series: PromSeries[], value = 'Value'): DataFrame {
  const names = [...new Set(series.flatMap((s) => Object.keys(s.metric)))].sort();
  return toDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: series.map((s) => Math.round((s.value?.[0] ?? 0) * 1000)) },
      ...names.map((name) => ({ name, type: FieldType.string, values: series.map((s) => s.metric[name] ?? '') })),
      { name: value, type: FieldType.number, values: series.map((s) => number(s.value?.[1] ?? 'NaN')) },
    ],
  });
}

function number(text: string): number {
  return text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text);
}

/** Gives fields the panel's unit, thresholds, colours and limits, and each series its place in the palette. */
export function withConfig(data: DataFrame[], fieldConfig: FieldConfigSource, theme: GrafanaTheme2): DataFrame[] {
  const { custom, ...defaults } = { ...fieldConfig?.defaults };
  let seriesIndex = -1;
  return data.map((frame) => ({
    ...frame,
    fields: frame.fields.map((old): Field => {
      const own = overridden(old, frame, data, fieldConfig);
      const config = { ...defaults, ...old.config, ...own.config, custom: { ...custom, ...old.config.custom, ...own.custom } };
      if (config.thresholds) {
        // JSON has no -Infinity: the first step is saved with null.
        const steps = config.thresholds.steps.map((step: any, i: number) => (i === 0 ? { ...step, value: -Infinity } : step));
        config.thresholds = { ...config.thresholds, steps };
      }
      if (old.type !== FieldType.number) {
        // Words and times have no unit, and no limits.
        const { unit: _, thresholds: _t, min: _m, max: _x, decimals: _d, color: _c, ...words } = config;
        const field: Field = { ...old, config: { ...words, ...old.config, ...own.config, custom: config.custom } };
        field.display = getDisplayProcessor({ field, theme });
        return field;
      }
      seriesIndex++;
      const field: Field = { ...old, config, state: { ...old.state, seriesIndex } };
      field.state!.displayName = getFieldDisplayName(field, frame, data);
      field.state!.range = getMinMaxAndDelta(field);
      field.display = getDisplayProcessor({ field, theme });
      return field;
    }),
  }));
}

/** What a panel says of single fields, chosen by Grafana's own matchers. */
function overridden(field: Field, frame: DataFrame, all: DataFrame[], fieldConfig: FieldConfigSource) {
  const config: Record<string, any> = {}, custom: Record<string, any> = {};
  for (const { matcher, properties } of fieldConfig?.overrides ?? []) {
    const fits = fieldMatchers.getIfExists(matcher.id)?.get(matcher.options)(field, frame, all) ?? false;
    for (const p of fits ? properties : []) {
      const path = p.id.split('.');
      let at = path[0] === 'custom' ? custom : config;
      const names = path[0] === 'custom' ? path.slice(1) : path;
      names.slice(0, -1).forEach((name) => { at = at[name] ??= {}; });
      at[names[names.length - 1]] = p.value;
    }
  }
  return { config, custom };
}
