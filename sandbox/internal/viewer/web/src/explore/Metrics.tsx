import type { DataFrame, GrafanaTheme2, TimeRange } from '@grafana/data';
import { useEffect, useMemo, useState } from 'react';
import { prometheus } from '../api';
import { useWidth } from '../Dashboard';
import { rangeFrames, withConfig } from '../frames';
import { Lines } from '../panels/Lines';
import { scopeOf } from '../Panel';
import { stepOf } from '../time';
import { interpolate } from '../variables';
import { PromqlEditor } from './PromqlEditor';

/** How many series the table shows. */
const most = 200;

/** A PromQL query: its course, and the last value of each of its series. */
export function Metrics({ query, range, theme, run, zoom }: {
  query: string; range: TimeRange; theme: GrafanaTheme2; run(q: string): void; zoom(from: number, to: number): void;
}) {
  const [text, setText] = useState(query);
  const [frames, setFrames] = useState<DataFrame[]>();
  const [error, setError] = useState<string>();
  const [took, setTook] = useState(0);
  const [ref, width] = useWidth();
  useEffect(() => setText(query), [query]);
  useEffect(() => {
    if (!query.trim()) {
      setFrames(undefined);
      setError(undefined);
      return;
    }
    const stop = new AbortController();
    const step = stepOf(range, 1200);
    const from = Math.floor(range.from.valueOf() / 1000 / step) * step, to = range.to.valueOf() / 1000;
    const began = performance.now();
    prometheus('prometheus', interpolate(query, [], scopeOf(range, step)), from, to, step, stop.signal).then(
      (s) => { setFrames(rangeFrames('A', s, undefined, from, to, step)); setError(undefined); setTook(performance.now() - began); },
      (e) => { if (!stop.signal.aborted) { setFrames(undefined); setError(e.message); } }
    );
    return () => stop.abort();
  }, [query, range]);
  const drawn = useMemo(() => frames && withConfig(frames, { defaults: { unit: 'short', color: { mode: 'palette-classic' as any }, custom: { fillOpacity: frames.length > 1 ? 0 : 8, lineWidth: 1.5, showPoints: 'never' } }, overrides: [] }, theme), [frames, theme]);
  return (
    <>
      <form className="query" onSubmit={(e) => { e.preventDefault(); run(text); }}>
        <PromqlEditor value={text} onChange={setText} onRun={() => run(text)} dark={theme.isDark} />
        <button type="submit" className="primary">Run</button>
      </form>
      {error && <p role="alert" className="problem">{error}</p>}
      {!query && <p className="quiet">Type a query and press Enter; Ctrl-Space completes metrics, labels and functions. <code>$__rate_interval</code> and <code>$__range</code> are filled in.</p>}
      <div ref={ref}>
        {drawn && drawn.length === 0 && !error && <p className="quiet">The query has no series in this time range.</p>}
        {drawn && drawn.length > 0 && width > 0 && (
          <>
            <Lines variables={[]} marks={[]} panel={{ options: { tooltip: { mode: 'multi', sort: 'desc' } } }} frames={drawn} range={range} width={width} height={420} theme={theme} onZoom={zoom} />
            <Series frames={drawn} took={took} />
          </>
        )}
      </div>
    </>
  );
}

/** The labels and the last value of each series. */
function Series({ frames, took }: { frames: DataFrame[]; took: number }) {
  const names = [...new Set(frames.flatMap((f) => Object.keys(f.fields[1].labels ?? {})))];
  const last = (f: DataFrame) => f.fields[1].values.findLast((v: number | null) => v !== null);
  return (
    <>
      <p className="quiet">{frames.length.toLocaleString()} series{frames.length > most ? `, the first ${most} below` : ''}, answered in {took.toFixed(0)} ms</p>
      <div className="scroll" tabIndex={0} role="region" aria-label="Series">
        <table className="rows">
          <thead><tr>{names.map((n) => <th key={n} scope="col">{n}</th>)}<th scope="col" className="number">Last value</th></tr></thead>
          <tbody>
            {frames.slice(0, most).map((f, i) => (
              <tr key={i}>{names.map((n) => <td key={n}>{f.fields[1].labels?.[n]}</td>)}<td className="number">{last(f) === undefined ? '–' : Number(Number(last(f)).toPrecision(6)).toLocaleString(undefined, { maximumSignificantDigits: 6 })}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
