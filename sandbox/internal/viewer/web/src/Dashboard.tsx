import type { GrafanaTheme2, TimeRange } from '@grafana/data';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { getDashboard, variableOptions } from './api';
import { TimeControls, useRange } from './Controls';
import { layout } from './layout';
import { Panel, scopeOf } from './Panel';
import { preview } from './preview';
import { marksOf, type Mark } from './marks';
import { navigate, withParams, type Route } from './route';
import { listSources, type Source } from './sources';
import { interpolate, variablesOf, type Variable } from './variables';
import { VariablePicker } from './VariablePicker';
import { zoneOf } from './zone';

const ROW = 30, GAP = 8;

/** What a preview has recorded. */
const lastHour = { from: 'now-1h', to: 'now' };

export function Dashboard({ uid, route, theme }: { uid: string; route: Route; theme: GrafanaTheme2 }) {
  const [loaded, setLoaded] = useState<{ dashboard: any; sources: Source[] }>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    setLoaded(undefined);
    Promise.all([getDashboard(uid), listSources()]).then(([dashboard, sources]) => setLoaded({ dashboard, sources }), (e) => setError(e.message));
  }, [uid]);
  if (error) {
    return <p role="alert" className="problem">{error}</p>;
  }
  if (loaded && !loaded.dashboard.panels && (loaded.dashboard.rows || loaded.dashboard.elements)) {
    return <p role="alert" className="problem">{loaded.dashboard.title}: this dashboard is in a schema {loaded.dashboard.rows ? 'from before Grafana 5' : 'v2'} that the sandbox does not draw. Open it in Grafana, and export it in the classic one.</p>;
  }
  return loaded ? <Board key={uid} {...loaded} route={route} theme={theme} /> : <p className="quiet">Loading…</p>;
}

function Board({ dashboard, sources, route, theme }: { dashboard: any; sources: Source[]; route: Route; theme: GrafanaTheme2 }) {
  const params = route.params.toString();
  const every = route.params.get('refresh') ?? dashboard.refresh ?? '';
  const { zone, unknown } = zoneOf(route, dashboard.timezone);
  const { range, refresh } = useRange(route, zone, preview ? lastHour : dashboard.time, every);

  const [variables, setVariables] = useState<Variable[]>(() => variablesOf(dashboard, route.params, sources));
  const moving = (dashboard.templating?.list ?? []).some((v: any) => v.type === 'query' && v.refresh === 2);
  useEffect(() => {
    let gone = false;
    const next = variablesOf(dashboard, route.params, sources);
    setVariables((old) => next.map((v) => ({ ...v, options: v.options.length > 0 ? v.options : old.find((o) => o.name === v.name)?.options ?? [] })));
    next.filter((v) => v.kind === 'query' && v.query).forEach(async (v) => {
      const options = await variableOptions(interpolate(v.datasource ?? 'prometheus', next), interpolate(v.query!, next), v.regex, range).catch(() => undefined);
      if (!gone && options) {
        setVariables((all) => all.map((o) => (o.name === v.name ? { ...o, options } : o)));
      }
    });
    return () => { gone = true; };
  }, [dashboard, sources, params, moving ? range : undefined]); // eslint-disable-line

  const [marks, setMarks] = useState<Mark[]>([]);
  useEffect(() => {
    let gone = false;
    marksOf(dashboard, range, variablesOf(dashboard, route.params, sources), sources).then((all) => !gone && setMarks(all));
    return () => { gone = true; };
  }, [dashboard, sources, range]); // eslint-disable-line

  const change = useCallback((r: { from: string; to: string }) => navigate(withParams(route, r)), [route]);
  const zoom = useCallback((from: number, to: number) => change({ from: String(Math.round(from)), to: String(Math.round(to)) }), [change]);
  const [ref, width] = useWidth();
  return (
    <section aria-labelledby="board-title">
      <header className="bar">
        <h1 id="board-title">{dashboard.title}</h1>
        <div className="controls">
          {variables.filter((v) => !v.hidden && (v.kind !== 'datasource' || v.options.length > 1)).map((v) => (
            <VariablePicker key={v.name} of={v} onChange={(values) => navigate(withParams(route, { ['var-' + v.name]: values }))} />
          ))}
          <TimeControls route={route} zone={zone} unknown={unknown} range={range} refresh={refresh} every={every} change={change} />
        </div>
      </header>
      <Links of={dashboard.links ?? []} range={range} variables={variables} />
      {dashboard.description && <p className="quiet">{dashboard.description}</p>}
      <div ref={ref} className="grid">
        {width > 0 && <Grid key={zone} dashboard={dashboard} width={width} range={range} variables={variables} marks={marks} theme={theme} zoom={zoom} />}
      </div>
    </section>
  );
}

/** The dashboard's own links to other places; those to dashboards of a tag are the pages' navigation. */
function Links({ of, range, variables }: { of: any[]; range: TimeRange; variables: Variable[] }) {
  const all = of.filter((l) => l.type === 'link' && l.url);
  return all.length === 0 ? null : (
    <p className="board-links">{all.map((l, i) => <a key={i} href={interpolate(l.url, variables, scopeOf(range, 15))} title={l.tooltip}>{l.title || l.url}</a>)}</p>
  );
}

function Grid({ dashboard, width, range, variables, marks, theme, zoom }: {
  dashboard: any; width: number; range: TimeRange; variables: Variable[]; marks: Mark[]; theme: GrafanaTheme2; zoom(from: number, to: number): void;
}) {
  const [turned, turn] = useState<Set<string>>(new Set());
  const narrow = width < 700;
  const column = (width + GAP) / 24;
  let below = 0;
  const placed = useMemo(
    // A preview shows all there is.
    () => layout(dashboard, variables, (key, saved) => (preview ? false : turned.has(key) !== saved)),
    [dashboard, variables, turned]
  ).map((p) => {
    const h = p.place.h * (ROW + GAP) - GAP;
    const at = narrow
      ? { left: 0, top: below, width, height: h }
      : { left: p.place.x * column, top: p.place.y * (ROW + GAP), width: p.place.w * column - GAP, height: h };
    below = Math.max(below, at.top + h + GAP);
    return { ...p, box: at };
  });
  return (
    <div style={{ position: 'relative', height: below }}>
      {placed.map(({ key, at, panel, variables: scoped, open, box }) => (
        <div key={key} style={{ position: 'absolute', ...box }}>
          {open === undefined
            ? <Panel panel={panel} at={at} range={range} variables={scoped} marks={marks} width={box.width} height={box.height} theme={theme} onZoom={zoom} />
            : (
              <h2 className="board-row">
                <button type="button" aria-expanded={open} onClick={() => turn((all) => { const next = new Set(all); if (!next.delete(key)) { next.add(key); } return next; })}>
                  <span aria-hidden="true">{open ? '▾' : '▸'}</span> {panel.title || 'Row'}
                </button>
              </h2>
            )}
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
