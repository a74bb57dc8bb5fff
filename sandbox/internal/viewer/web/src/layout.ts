// Where panels are: Grafana's grid of 24 columns, with rows that open and close, and what repeats for the values of a variable.
import { ALL, interpolate, type Variable } from './variables';

export interface Place { x: number; y: number; w: number; h: number }
export interface Placed {
  /** Names it among all of the dashboard. */
  key: string;
  /** A panel's place in the dashboard's list, rows not counted; undefined for repetitions and rows. */
  at?: number;
  panel: any;
  /** The variables with the value for which this one repeats. */
  variables: Variable[];
  place: Place;
  /** For rows: whether it is open. */
  open?: boolean;
}

/** Panels by rows: what a row has in itself where it is saved closed, else what follows it. */
function sections(dashboard: any): Array<{ row?: any; panels: any[] }> {
  const out: Array<{ row?: any; panels: any[] }> = [{ panels: [] }];
  for (const panel of dashboard.panels ?? []) {
    if (panel.type === 'row') {
      out.push({ row: panel, panels: [...(panel.panels ?? [])] });
    } else {
      out[out.length - 1].panels.push(panel);
    }
  }
  return out;
}

/** The values that something repeats for; undefined where it does not repeat. */
function values(name: string | undefined, variables: Variable[]): string[] | undefined {
  const v = name ? variables.find((o) => o.name === name) : undefined;
  if (!v) {
    return undefined;
  }
  const all = v.value.includes(ALL) ? v.options : v.value;
  return all.length > 0 ? all : undefined;
}

const only = (variables: Variable[], name: string, value: string) => variables.map((v) => (v.name === name ? { ...v, value: [value] } : v));

/** Lays a dashboard out; closed says which rows are closed, by their key. */
export function layout(dashboard: any, variables: Variable[], closed: (key: string, saved: boolean) => boolean): Placed[] {
  const out: Placed[] = [];
  let top = 0, counted = 0;
  for (const [n, section] of sections(dashboard).entries()) {
    const first = counted;
    counted += section.panels.length;
    for (const [i, value] of (values(section.row?.repeat, variables) ?? [undefined]).entries()) {
      const scoped = value === undefined ? variables : only(variables, section.row.repeat, value);
      if (section.row) {
        const key = `row-${n}-${value ?? ''}`;
        const open = !closed(key, !!section.row.collapsed);
        out.push({ key, panel: { ...section.row, title: interpolate(section.row.title ?? '', scoped) }, variables: scoped, place: { x: 0, y: top, w: 24, h: 1 }, open });
        top++;
        if (!open) {
          continue;
        }
      }
      const from = Math.min(...section.panels.map((p) => p.gridPos?.y ?? 0));
      let shift = top - from;
      for (const [j, panel] of section.panels.map((p, at) => [at, p] as const).sort(([, a], [, b]) => (a.gridPos?.y ?? 0) - (b.gridPos?.y ?? 0) || (a.gridPos?.x ?? 0) - (b.gridPos?.x ?? 0))) {
        const g = panel.gridPos ?? { x: 0, y: 0, w: 24, h: 8 };
        const repeats = values(panel.repeat, scoped);
        if (!repeats) {
          out.push({ key: `${n}-${j}-${value ?? ''}`, at: i === 0 ? first + j : undefined, panel, variables: scoped, place: { x: g.x, y: g.y + shift, w: g.w, h: g.h } });
          continue;
        }
        const down = panel.repeatDirection === 'v';
        const across = down ? 1 : Math.min(repeats.length, panel.maxPerRow ?? 4);
        repeats.forEach((one, k) => out.push({
          key: `${n}-${j}-${value ?? ''}-${one}`, at: i === 0 && k === 0 ? first + j : undefined, panel, variables: only(scoped, panel.repeat, one),
          place: down
            ? { x: g.x, y: g.y + shift + k * g.h, w: g.w, h: g.h }
            : { x: (k % across) * Math.floor(24 / across), y: g.y + shift + Math.floor(k / across) * g.h, w: Math.floor(24 / across), h: g.h },
        }));
        shift += (Math.ceil(repeats.length / across) - 1) * g.h;
      }
      top = out.reduce((end, p) => Math.max(end, p.place.y + p.place.h), top);
    }
  }
  return out;
}
