import { dateTimeFormat, type TimeRange } from '@grafana/data';
import { useEffect, useState } from 'react';
import { bucketWidth, searchLogs, type LogAnswer } from '../api';
import { useWidth } from '../Dashboard';
import { levels, LogRows } from '../panels/Logs';
import { ticksOf } from '../time';

/** Log lines that a Lucene query finds, and how many there were over time. */
export function Logs({ query, range, run, zoom }: { query: string; range: TimeRange; run(q: string): void; zoom(from: number, to: number): void }) {
  const [text, setText] = useState(query);
  const [size, setSize] = useState(200);
  const [answer, setAnswer] = useState<LogAnswer>();
  const [error, setError] = useState<string>();
  useEffect(() => { setText(query); setSize(200); }, [query]);
  useEffect(() => {
    const stop = new AbortController();
    searchLogs('elasticsearch', query, range.from.valueOf(), range.to.valueOf(), size, stop.signal).then(
      (a) => { setAnswer(a); setError(undefined); },
      (e) => { if (!stop.signal.aborted) { setAnswer(undefined); setError(e.message); } }
    );
    return () => stop.abort();
  }, [query, range, size]);
  const also = (term: string) => run((query.trim() ? `${query.trim()} AND ` : '') + term);
  const quoted = (v: string) => `"${v.replace(/["\\]/g, '\\$&')}"`;
  return (
    <>
      <form className="query" onSubmit={(e) => { e.preventDefault(); run(text); }}>
        <input aria-label="Lucene query" placeholder='level:ERROR AND service:"query-api"' value={text} onChange={(e) => setText(e.target.value)} spellCheck={false} />
        <button type="submit" className="primary">Run</button>
      </form>
      {error && <p role="alert" className="problem">{error}</p>}
      {answer && (
        <>
          <Histogram answer={answer} range={range} zoom={zoom} />
          <p className="quiet">{answer.total.toLocaleString()} log lines{answer.total > answer.lines.length ? `, the newest ${answer.lines.length} below` : ''}</p>
          <LogRows lines={answer.lines} onFilter={(f, v) => also(`${f}:${quoted(v)}`)} onExclude={(f, v) => also(`NOT ${f}:${quoted(v)}`)} />
          {answer.total > answer.lines.length && size < 5000 && <button type="button" onClick={() => setSize(size + 500)}>Older lines</button>}
        </>
      )}
    </>
  );
}

/** Bars of how many lines there were over time, by level; a click looks closer. */
function Histogram({ answer, range, zoom }: { answer: LogAnswer; range: TimeRange; zoom(from: number, to: number): void }) {
  const [ref, width] = useWidth();
  const from = range.from.valueOf(), to = range.to.valueOf(), height = 96, top = 16, bottom = 18, left = 44;
  const step = bucketWidth(to - from);
  const most = Math.max(1, ...answer.histogram.map((b) => b.doc_count));
  const x = (t: number) => left + ((t - from) / (to - from)) * (width - left);
  const h = (n: number) => ((height - top - bottom) * n) / most;
  const ticks = ticksOf(from, to, Math.max(2, Math.floor(width / 110)));
  const seen = levels.filter((l) => answer.histogram.some((b) => b.levels[l.name]));
  return (
    <figure className="histogram" ref={ref} aria-label="Log lines over time">
      {width > 0 && (
        <svg width={width} height={height} role="img" aria-label={`Log lines over time, at most ${most} in ${step / 1000} seconds`}>
          <text x={left - 6} y={top + 4} textAnchor="end">{most.toLocaleString()}</text>
          <text x={left - 6} y={height - bottom} textAnchor="end">0</text>
          <line x1={left} x2={width} y1={height - bottom + 0.5} y2={height - bottom + 0.5} className="axis" />
          {answer.histogram.map((b) => {
            let below = 0;
            const at = Math.max(left, x(b.key)), end = Math.min(width, x(b.key + step));
            return (
              <g key={b.key} onClick={() => zoom(b.key, b.key + step)} className="bar-of-lines">
                <title>{`${dateTimeFormat(b.key)}: ${b.doc_count} lines`}</title>
                {levels.map((l) => {
                  const n = b.levels[l.name] ?? 0;
                  below += n;
                  return n > 0 && end > at ? <rect key={l.name} x={at + 0.5} width={Math.max(0.5, end - at - 1)} y={height - bottom - h(below)} height={h(n)} fill={l.color} /> : null;
                })}
              </g>
            );
          })}
          {ticks.map((t) => <text key={t} x={x(t)} y={height - 3} textAnchor="middle">{dateTimeFormat(t, { format: to - from > 86_400_000 ? 'MM-DD HH:mm' : to - from > 600_000 ? 'HH:mm' : 'HH:mm:ss' })}</text>)}
        </svg>
      )}
      <figcaption>{seen.map((l) => <span key={l.name}><span className="swatch" style={{ background: l.color }} />{l.name}</span>)}</figcaption>
    </figure>
  );
}

