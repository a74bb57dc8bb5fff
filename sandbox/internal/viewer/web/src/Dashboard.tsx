import type { GrafanaTheme2, TimeRange } from '@grafana/data';
import { RefreshPicker, TimeRangePicker } from '@grafana/ui';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { getDashboard, labelValues } from './api';
import { Panel } from './Panel';
import { marksOf, type Mark } from './marks';
import { navigate, withParams, type Route } from './route';
import { rangeOf, rangeParams, resolve } from './time';
import { ALL, labelQuery, interpolate, variablesOf, type Variable } from './variables';

const ROW = 30, GAP = 8;

export function Dashboard({ uid, route, theme }: { uid: string; route: Route; theme: GrafanaTheme2 }) {
  const [dashboard, setDashboard] = useState<any>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    setDashboard(undefined);
    getDashboard(uid).then(setDashboard, (e) => setError(e.message));
  }, [uid]);
  if (error) {
    return <p role="alert" className="problem">{error}</p>;
  }
  return dashboard ? <Board key={uid} dashboard={dashboard} route={route} theme={theme} /> : <p className="quiet">Loading…</p>;
}

function Board({ dashboard, route, theme }: { dashboard: any; route: Route; theme: GrafanaTheme2 }) {
  const params = route.params.toString();
  const asked = useMemo(() => rangeOf(route.params, dashboard.time), [params, dashboard]); // eslint-disable-line
  const [range, setRange] = useState(asked);
  useEffect(() => setRange(asked), [asked]);
  const refresh = useCallback(() => setRange((r) => resolve(r.raw)), []);

  const every = route.params.get('refresh') ?? dashboard.refresh ?? '';
  useEffect(() => {
    const seconds = /^(\d+)s$/.exec(every)?.[1] ?? (/^(\d+)m$/.exec(every) ? Number(/^(\d+)m$/.exec(every)![1]) * 60 : 0);
    if (!seconds) {
      return;
    }
    const timer = setInterval(() => document.visibilityState === 'visible' && refresh(), Number(seconds) * 1000);
    return () => clearInterval(timer);
  }, [every, refresh]);

  const [variables, setVariables] = useState<Variable[]>(() => variablesOf(dashboard, route.params));
  useEffect(() => {
    let gone = false;
    const next = variablesOf(dashboard, route.params);
    setVariables((old) => next.map((v) => ({ ...v, options: v.options.length > 0 ? v.options : old.find((o) => o.name === v.name)?.options ?? [] })));
    next.forEach(async (v) => {
      const q = v.kind === 'query' && v.query ? labelQuery(interpolate(v.query, next)) : undefined;
      if (q) {
        const options = await labelValues(interpolate(v.datasource ?? 'prometheus', next), q.label, q.match).catch(() => []);
        if (!gone) {
          setVariables((all) => all.map((o) => (o.name === v.name ? { ...o, options } : o)));
        }
      }
    });
    return () => { gone = true; };
  }, [dashboard, params]); // eslint-disable-line

  const [marks, setMarks] = useState<Mark[]>([]);
  useEffect(() => {
    let gone = false;
    marksOf(dashboard, range, variablesOf(dashboard, route.params)).then((all) => !gone && setMarks(all));
    return () => { gone = true; };
  }, [dashboard, range]); // eslint-disable-line

  const go = useCallback((r: TimeRange) => navigate(withParams(route, rangeParams(r))), [route]);
  const zoom = useCallback((from: number, to: number) => navigate(withParams(route, { from: String(Math.round(from)), to: String(Math.round(to)) })), [route]);
  const shift = (share: number) => {
    const length = range.to.valueOf() - range.from.valueOf();
    zoom(range.from.valueOf() + share * length, range.to.valueOf() + share * length);
  };
  const [ref, width] = useWidth();
  return (
    <section aria-labelledby="board-title">
      <header className="bar">
        <h1 id="board-title">{dashboard.title}</h1>
        <div className="controls">
          {variables.filter((v) => v.kind !== 'datasource' || v.options.length > 1).map((v) => (
            <label key={v.name} className="variable">
              {v.label}
              <select
                value={v.value.includes(ALL) ? ALL : v.value[0]}
                onChange={(e) => navigate(withParams(route, { ['var-' + v.name]: e.target.value }))}
              >
                {v.includeAll && <option value={ALL}>All</option>}
                {v.options.map((o) => <option key={o}>{o}</option>)}
              </select>
            </label>
          ))}
          <TimeRangePicker
            value={range} timeZone="browser" onChange={go} onChangeTimeZone={() => undefined}
            onMoveBackward={() => shift(-0.5)} onMoveForward={() => shift(0.5)}
            onZoom={() => { const half = (range.to.valueOf() - range.from.valueOf()) / 2; zoom(range.from.valueOf() - half, range.to.valueOf() + half); }}
          />
          <RefreshPicker
            tooltip="Refresh" value={every} intervals={['5s', '10s', '30s', '1m', '5m']} onRefresh={refresh}
            onIntervalChanged={(i) => navigate(withParams(route, { refresh: i }), true)}
          />
        </div>
      </header>
      {dashboard.description && <p className="quiet">{dashboard.description}</p>}
      <div ref={ref} className="grid">
        {width > 0 && <Grid dashboard={dashboard} width={width} range={range} variables={variables} marks={marks} theme={theme} zoom={zoom} />}
      </div>
    </section>
  );
}

function Grid({ dashboard, width, range, variables, marks, theme, zoom }: {
  dashboard: any; width: number; range: TimeRange; variables: Variable[]; marks: Mark[]; theme: GrafanaTheme2; zoom(from: number, to: number): void;
}) {
  const narrow = width < 700;
  const column = width / 24;
  let below = 0;
  const placed = (dashboard.panels ?? []).filter((p: any) => p.type !== 'row').map((panel: any) => {
    const g = panel.gridPos;
    const h = g.h * (ROW + GAP) - GAP;
    const at = narrow
      ? { left: 0, top: below, width, height: h }
      : { left: g.x * column, top: g.y * (ROW + GAP), width: g.w * column - GAP, height: h };
    below = Math.max(below, at.top + h + GAP);
    return { panel, at };
  });
  return (
    <div style={{ position: 'relative', height: below }}>
      {placed.map(({ panel, at }: any) => (
        <div key={panel.id} style={{ position: 'absolute', ...at }}>
          <Panel panel={panel} range={range} variables={variables} marks={marks} width={at.width} height={at.height} theme={theme} onZoom={zoom} />
        </div>
      ))}
    </div>
  );
}

export function useWidth() {
  const ref = useRef<HTMLDivElement>(null);
  const [width, set] = useState(0);
  useEffect(() => {
    if (!ref.current) {
      return;
    }
    const measure = () => ref.current && set(ref.current.clientWidth);
    measure();
    if (typeof ResizeObserver === 'undefined') {
      return;
    }
    const o = new ResizeObserver(measure);
    o.observe(ref.current);
    return () => o.disconnect();
  }, []);
  return [ref, width] as const;
}
