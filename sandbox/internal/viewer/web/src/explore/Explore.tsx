import type { DataFrame, GrafanaTheme2, TimeRange } from '@grafana/data';
import { TimeRangePicker } from '@grafana/ui';
import { useEffect, useMemo, useState } from 'react';
import { prometheus, searchLogs, type LogAnswer } from '../api';
import { useWidth } from '../Dashboard';
import { rangeFrames, withConfig } from '../frames';
import { Lines } from '../panels/Lines';
import { LogRows } from '../panels/Logs';
import { scopeOf } from '../Panel';
import { navigate, withParams, type Route } from '../route';
import { rangeOf, rangeParams, stepOf } from '../time';
import { interpolate } from '../variables';
import { PromqlEditor } from './PromqlEditor';
import { Traces } from './Traces';

type Kind = 'metrics' | 'logs' | 'traces';

/** Queries of one's own. Also reads the addresses that Grafana's Explore makes (?panes=…). */
export function Explore({ route, theme }: { route: Route; theme: GrafanaTheme2 }) {
  const asked = useMemo(() => fromPanes(route), [route]);
  const kind = (route.params.get('kind') as Kind) ?? asked.kind ?? 'metrics';
  const query = route.params.get('query') ?? asked.query ?? '';
  const params = route.params.toString();
  const range = useMemo(() => rangeOf(asked.range ?? route.params), [params]); // eslint-disable-line
  const to = (changes: Record<string, string | null>) => navigate(withParams(route, { panes: null, schemaVersion: null, kind, query, ...rangeParams(range), ...changes }));
  return (
    <section aria-labelledby="explore-title">
      <header className="bar">
        <h1 id="explore-title">Explore</h1>
        <div className="controls">
          <div role="tablist" aria-label="What to look at" className="tabs">
            {(['metrics', 'logs', 'traces'] as const).map((k) => (
              <button key={k} role="tab" type="button" aria-selected={k === kind} onClick={() => to({ kind: k, query: '', trace: null })}>{k}</button>
            ))}
          </div>
          <TimeRangePicker
            value={range} timeZone="browser" onChange={(r) => to(rangeParams(r))} onChangeTimeZone={() => undefined}
            onMoveBackward={() => undefined} onMoveForward={() => undefined} onZoom={() => undefined}
          />
        </div>
      </header>
      {kind === 'metrics' && <Metrics query={query} range={range} theme={theme} run={(q) => to({ query: q })} zoom={(from, till) => to({ from: String(Math.round(from)), to: String(Math.round(till)) })} />}
      {kind === 'logs' && <Logs query={query} range={range} run={(q) => to({ query: q })} />}
      {kind === 'traces' && <Traces id={route.params.get('trace') ?? ''} service={query} range={range} to={to} theme={theme} />}
    </section>
  );
}

/** What an address of Grafana's Explore asks for. */
export function fromPanes(route: Route): { kind?: Kind; query?: string; range?: URLSearchParams } {
  const panes = route.params.get('panes');
  if (!panes) {
    return {};
  }
  try {
    const pane: any = Object.values(JSON.parse(panes))[0];
    const q = pane.queries?.[0] ?? {};
    const kinds: Record<string, Kind> = { prometheus: 'metrics', elasticsearch: 'logs', jaeger: 'traces' };
    return {
      kind: kinds[pane.datasource] ?? 'metrics',
      query: q.expr ?? q.query ?? '',
      range: new URLSearchParams(pane.range ?? {}),
    };
  } catch {
    return {};
  }
}

function Metrics({ query, range, theme, run, zoom }: {
  query: string; range: TimeRange; theme: GrafanaTheme2; run(q: string): void; zoom(from: number, to: number): void;
}) {
  const [text, setText] = useState(query);
  const [frames, setFrames] = useState<DataFrame[]>();
  const [error, setError] = useState<string>();
  const [ref, width] = useWidth();
  useEffect(() => setText(query), [query]);
  useEffect(() => {
    if (!query.trim()) {
      setFrames(undefined);
      return;
    }
    const stop = new AbortController();
    const step = stepOf(range, 1200);
    const from = Math.floor(range.from.valueOf() / 1000 / step) * step, to = range.to.valueOf() / 1000;
    prometheus('prometheus', interpolate(query, [], scopeOf(range, step)), from, to, step, stop.signal).then(
      (s) => { setFrames(rangeFrames('A', s, undefined, from, to, step)); setError(undefined); },
      (e) => !stop.signal.aborted && setError(e.message)
    );
    return () => stop.abort();
  }, [query, range]);
  const drawn = useMemo(() => frames && withConfig(frames, { defaults: { color: { mode: 'palette-classic' as any }, custom: { fillOpacity: 5 } }, overrides: [] }, theme), [frames, theme]);
  return (
    <>
      <form className="query" onSubmit={(e) => { e.preventDefault(); run(text); }}>
        <PromqlEditor value={text} onChange={setText} onRun={() => run(text)} dark={theme.isDark} />
        <button type="submit">Run</button>
      </form>
      {error && <p role="alert" className="problem">{error}</p>}
      <div ref={ref}>
        {drawn && drawn.length === 0 && !error && <p className="quiet">The query has no series in this time range.</p>}
        {drawn && drawn.length > 0 && width > 0 && (
          <Lines variables={[]} marks={[]} panel={{ options: { tooltip: { mode: 'multi', sort: 'desc' } } }} frames={drawn} range={range} width={width} height={420} theme={theme} onZoom={zoom} />
        )}
      </div>
    </>
  );
}

function Logs({ query, range, run }: { query: string; range: TimeRange; run(q: string): void }) {
  const [text, setText] = useState(query);
  const [answer, setAnswer] = useState<LogAnswer>();
  const [error, setError] = useState<string>();
  useEffect(() => setText(query), [query]);
  useEffect(() => {
    const stop = new AbortController();
    searchLogs('elasticsearch', query, range.from.valueOf(), range.to.valueOf(), 200, stop.signal).then(
      (a) => { setAnswer(a); setError(undefined); },
      (e) => !stop.signal.aborted && setError(e.message)
    );
    return () => stop.abort();
  }, [query, range]);
  const most = Math.max(1, ...(answer?.histogram ?? []).map((b) => b.doc_count));
  return (
    <>
      <form className="query" onSubmit={(e) => { e.preventDefault(); run(text); }}>
        <input aria-label="Lucene query" placeholder='level:ERROR AND service:"query-api"' value={text} onChange={(e) => setText(e.target.value)} spellCheck={false} />
        <button type="submit">Run</button>
      </form>
      {error && <p role="alert" className="problem">{error}</p>}
      {answer && (
        <>
          <p className="quiet">{answer.total.toLocaleString()} log lines{answer.total > answer.lines.length ? `, the newest ${answer.lines.length} below` : ''}</p>
          <svg className="histogram" viewBox={`0 0 ${Math.max(1, answer.histogram.length)} 40`} preserveAspectRatio="none" role="img" aria-label="Log lines over time">
            {answer.histogram.map((b, i) => (
              <rect key={b.key} x={i + 0.1} width={0.8} y={40 - (40 * b.doc_count) / most} height={(40 * b.doc_count) / most}><title>{`${new Date(b.key).toLocaleTimeString()}: ${b.doc_count}`}</title></rect>
            ))}
          </svg>
          <LogRows lines={answer.lines} onFilter={(f, v) => run((query.trim() ? `${query} AND ` : '') + `${f}:"${v.replace(/["\\]/g, '\\$&')}"`)} />
        </>
      )}
    </>
  );
}
