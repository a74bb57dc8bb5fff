import {
  FieldType, getDisplayProcessor, getFieldDisplayName, getMinMaxAndDelta, toDataFrame, type DataFrame, type Field, type FieldConfigSource, type GrafanaTheme2, type Labels,
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
      name: legend(pattern, s.metric),
      fields: [
        { name: 'Time', type: FieldType.time, values: times },
        { name: 'Value', type: FieldType.number, labels, config: { displayNameFromDS: legend(pattern, s.metric) }, values },
      ],
    });
  });
}

/** One frame with a row for each series, its labels as columns. */
export function tableFrame(refId: string, series: PromSeries[]): DataFrame {
  const names = [...new Set(series.flatMap((s) => Object.keys(s.metric)))].sort();
  return toDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: series.map((s) => Math.round((s.value?.[0] ?? 0) * 1000)) },
      ...names.map((name) => ({ name, type: FieldType.string, values: series.map((s) => s.metric[name] ?? '') })),
      { name: 'Value', type: FieldType.number, values: series.map((s) => number(s.value?.[1] ?? 'NaN')) },
    ],
  });
}

function number(text: string): number {
  return text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text);
}

/** Gives fields the panel's unit, thresholds, colours and limits, and each series its place in the palette. */
export function withConfig(data: DataFrame[], fieldConfig: FieldConfigSource, theme: GrafanaTheme2): DataFrame[] {
  const defaults = { ...fieldConfig?.defaults };
  if (defaults.thresholds) {
    // JSON has no -Infinity: the first step is saved with null.
    const steps = defaults.thresholds.steps.map((step, i) => (i === 0 ? { ...step, value: -Infinity } : step));
    defaults.thresholds = { ...defaults.thresholds, steps };
  }
  let seriesIndex = -1;
  return data.map((frame) => ({
    ...frame,
    fields: frame.fields.map((old): Field => {
      if (old.type !== FieldType.number) {
        return { ...old, display: getDisplayProcessor({ field: old, theme }) };
      }
      seriesIndex++;
      const field: Field = {
        ...old,
        config: { ...defaults, ...old.config, ...overridden(old, fieldConfig), custom: { ...old.config.custom, ...defaults.custom } },
        state: { ...old.state, seriesIndex },
      };
      field.state!.displayName = getFieldDisplayName(field, frame, data);
      field.state!.range = getMinMaxAndDelta(field);
      field.display = getDisplayProcessor({ field, theme });
      return field;
    }),
  }));
}

/** What a panel says of single series, chosen by name or by a regular expression. */
function overridden(field: Field, fieldConfig: FieldConfigSource): Record<string, unknown> {
  const name = field.config.displayNameFromDS ?? field.name;
  const out: Record<string, unknown> = {};
  for (const { matcher, properties } of fieldConfig?.overrides ?? []) {
    const fits = matcher.id === 'byName' ? matcher.options === name
      : matcher.id === 'byRegexp' ? new RegExp(String(matcher.options).replace(/^\/(.*)\/\w*$/, '$1')).test(name) : false;
    if (fits) {
      properties.filter((p) => !p.id.startsWith('custom.')).forEach((p) => { out[p.id] = p.value; });
    }
  }
  return out;
}

/** The last value that is a number. */
export function last(field: Field): number | null {
  for (let i = field.values.length - 1; i >= 0; i--) {
    const v = field.values[i];
    if (v !== null && v !== undefined && !Number.isNaN(v)) {
      return v;
    }
  }
  return null;
}
