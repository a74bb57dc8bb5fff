import type { GrafanaTheme2 } from '@grafana/data';
import { useMemo } from 'react';
import { TimeControls, useRange } from '../Controls';
import { navigate, withParams, type Route } from '../route';
import { rangeParams } from '../time';
import { zoneOf } from '../zone';
import { Logs } from './Logs';
import { Metrics } from './Metrics';
import { Traces } from './Traces';

type Kind = 'metrics' | 'logs' | 'traces';

/** Queries of one's own. Also reads the addresses that Grafana's Explore makes (?panes=…). */
export function Explore({ route, theme }: { route: Route; theme: GrafanaTheme2 }) {
  const asked = useMemo(() => fromPanes(route), [route]);
  const kind = (route.params.get('kind') as Kind) ?? asked.kind ?? 'metrics';
  const query = route.params.get('query') ?? asked.query ?? '';
  const every = route.params.get('refresh') ?? '';
  const { zone, unknown } = zoneOf(route);
  const { range, refresh } = useRange(route, zone, undefined, every, asked.range);
  const to = (changes: Record<string, string | null>) => navigate(withParams(route, { panes: null, schemaVersion: null, kind, query, ...rangeParams(range), ...changes }));
  const run = (q: string) => (q === query ? refresh() : to({ query: q }));
  return (
    <section aria-labelledby="explore-title">
      <header className="bar">
        <h1 id="explore-title">Explore</h1>
        <div className="controls">
          <div role="group" aria-label="What to look at" className="tabs">
            {(['metrics', 'logs', 'traces'] as const).map((k) => (
              <button key={k} type="button" aria-pressed={k === kind} onClick={() => to({ kind: k, query: '', trace: null, op: null })}>{k}</button>
            ))}
          </div>
          <TimeControls route={route} zone={zone} unknown={unknown} range={range} refresh={refresh} every={every} change={to} />
        </div>
      </header>
      {kind === 'metrics' && <Metrics query={query} range={range} theme={theme} run={run} zoom={(from, till) => to({ from: String(Math.round(from)), to: String(Math.round(till)) })} />}
      {kind === 'logs' && <Logs query={query} range={range} run={run} zoom={(from, till) => to({ from: String(from), to: String(till) })} />}
      {kind === 'traces' && <Traces id={route.params.get('trace') ?? asked.trace ?? ''} service={query} operation={route.params.get('op') ?? ''} range={range} to={to} theme={theme} />}
    </section>
  );
}

/** What an address of Grafana's Explore asks for. */
export function fromPanes(route: Route): { kind?: Kind; query?: string; trace?: string; range?: URLSearchParams } {
  const panes = route.params.get('panes');
  if (!panes) {
    return {};
  }
  try {
    const pane: any = Object.values(JSON.parse(panes))[0];
    const q = pane.queries?.[0] ?? {};
    const kinds: Record<string, Kind> = { prometheus: 'metrics', elasticsearch: 'logs', jaeger: 'traces' };
    const kind = kinds[q.datasource?.type] ?? kinds[pane.datasource] ?? 'metrics';
    return {
      kind,
      query: kind === 'traces' ? q.service ?? '' : q.expr ?? q.query ?? '',
      ...(kind === 'traces' && q.query ? { trace: q.query } : {}),
      range: new URLSearchParams(pane.range ?? {}),
    };
  } catch {
    return {};
  }
}

