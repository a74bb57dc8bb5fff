import type { TimeRange } from '@grafana/data';
import { prometheus, type PromSeries } from './api';
import { legend } from './frames';
import { sourceOf, type Source } from './sources';
import { interpolate, type Variable } from './variables';

/** A time at which something was so, as an alert that fired; in milliseconds. */
export interface Mark { from: number; to: number; title: string; color: string }

/** What a series with a value for as long as something is so says of when it was so; a gap of two steps ends it. */
export function spans(series: PromSeries[], step: number, titleFormat: string | undefined, color: string): Mark[] {
  return series.flatMap((s) => {
    const found: Mark[] = [];
    for (const [seconds] of s.values ?? []) {
      const at = seconds * 1000, last = found[found.length - 1];
      if (last && at - last.to <= step * 2000) {
        last.to = at;
      } else {
        found.push({ from: at, to: at, title: legend(titleFormat, s.metric), color });
      }
    }
    return found;
  }).sort((a, b) => a.from - b.from || a.title.localeCompare(b.title));
}

const colors: Record<string, string> = { red: '#f2495c', orange: '#ff9830', yellow: '#fade2a', green: '#73bf69', blue: '#5794f2', purple: '#b877d9' };

/** The marks of a dashboard's annotations. What cannot be asked is left out: the panels say so themselves. */
export async function marksOf(dashboard: any, range: TimeRange, variables: Variable[], sources: Source[]): Promise<Mark[]> {
  const from = range.from.valueOf() / 1000, to = range.to.valueOf() / 1000;
  const step = Math.max(15, Math.ceil((to - from) / 500 / 15) * 15);
  const all = await Promise.all(
    (dashboard.annotations?.list ?? [])
      .filter((a: any) => a.enable !== false && (a.expr || a.target?.expr))
      .map(async (a: any): Promise<Mark[]> => {
        const series = await (async () => prometheus(
          sourceOf(a.datasource, sources, variables).uid, interpolate(a.expr || a.target.expr, variables), Math.floor(from / step) * step, to, step
        ))().catch(() => []);
        return spans(series, step, a.titleFormat, colors[a.iconColor] ?? a.iconColor ?? colors.red);
      })
  );
  return all.flat();
}
