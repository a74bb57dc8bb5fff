import type { DataFrame, Labels, TimeRange } from '@grafana/data';
import { scopeOf } from './Panel';
import { interpolate, type Variable } from './variables';

export interface Link { title: string; href: string }

/** A panel's data links for one series. A link that names a label which the series has not is left out. */
export function linksOf(panel: any, labels: Labels | undefined, range: TimeRange, variables: Variable[]): Link[] {
  const scope = scopeOf(range, 15);
  const uses = /\$\{__field\.labels\.(\w+)(?::\w+)?\}/g;
  for (const [name, value] of Object.entries(labels ?? {})) {
    scope['__field.labels.' + name] = value;
  }
  return (panel.fieldConfig?.defaults?.links ?? [])
    .filter((l: any) => [...`${l.title} ${l.url}`.matchAll(uses)].every((m) => labels?.[m[1]]))
    .map((l: any): Link => ({ title: interpolate(l.title, variables, scope), href: interpolate(l.url, variables, scope) }));
}

/** The links of all series of a panel, each once. */
export function linksOfAll(panel: any, frames: DataFrame[], range: TimeRange, variables: Variable[]): Link[] {
  const all = new Map<string, Link>();
  for (const frame of frames) {
    for (const field of frame.fields.filter((f) => f.type === 'number')) {
      linksOf(panel, field.labels, range, variables).forEach((l) => all.set(l.href, l));
    }
  }
  return [...all.values()].sort((a, b) => a.title.localeCompare(b.title));
}
