import { dateTimeFormat, type GrafanaTheme2, type TimeRange } from '@grafana/data';
import { useEffect, useState } from 'react';
import { getTrace, searchTraces, traceServices, type Span, type Trace } from '../api';
import { go } from '../route';

interface Props { id: string; service: string; range: TimeRange; to(changes: Record<string, string | null>): void; theme: GrafanaTheme2 }

export function Traces({ id, service, range, to, theme }: Props) {
  const [services, setServices] = useState<string[]>([]);
  const [found, setFound] = useState<Trace[]>([]);
  const [trace, setTrace] = useState<Trace>();
  const [error, setError] = useState<string>();
  const [text, setText] = useState(id);
  useEffect(() => { traceServices('jaeger').then((s) => setServices([...s].sort()), (e) => setError(e.message)); }, []);
  useEffect(() => {
    setText(id);
    setTrace(undefined);
    if (id) {
      getTrace('jaeger', id).then((t) => { setTrace(t); setError(undefined); }, (e) => setError(e.message));
    }
  }, [id]);
  useEffect(() => {
    if (!id && service) {
      searchTraces('jaeger', service, range.from.valueOf(), range.to.valueOf(), 50).then((t) => { setFound(t); setError(undefined); }, (e) => setError(e.message));
    }
  }, [id, service, range]);
  return (
    <>
      <form className="query" onSubmit={(e) => { e.preventDefault(); to({ trace: text.trim() || null }); }}>
        <select aria-label="Service" value={service} onChange={(e) => to({ query: e.target.value, trace: null })}>
          <option value="">Service…</option>
          {services.map((s) => <option key={s}>{s}</option>)}
        </select>
        <input aria-label="Trace id" placeholder="or a trace id" value={text} onChange={(e) => setText(e.target.value)} spellCheck={false} />
        <button type="submit">Open</button>
      </form>
      {error && <p role="alert" className="problem">{error}</p>}
      {!id && found.length > 0 && (
        <table>
          <thead><tr><th scope="col">Started</th><th scope="col">Trace</th><th scope="col">Root</th><th scope="col">Spans</th><th scope="col">Duration</th></tr></thead>
          <tbody>
            {found.map((t) => {
              const root = rootOf(t);
              return (
                <tr key={t.traceID}>
                  <td>{dateTimeFormat(root.startTime / 1000)}</td>
                  <td><a href={`/explore?kind=traces&trace=${t.traceID}`} onClick={go}><code>{t.traceID.slice(0, 12)}</code></a></td>
                  <td>{t.processes[root.processID]?.serviceName}: {root.operationName}</td>
                  <td>{t.spans.length}{t.spans.some(failed) && <span className="firing"> failed</span>}</td>
                  <td>{micros(root.duration)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
      {!id && service && found.length === 0 && !error && <p className="quiet">No trace of {service} in this time range.</p>}
      {trace && <Waterfall trace={trace} theme={theme} />}
    </>
  );
}

const parentOf = (s: Span) => s.references.find((r) => r.refType === 'CHILD_OF')?.spanID;
const failed = (s: Span) => s.tags.some((t) => (t.key === 'error' && String(t.value) === 'true') || (t.key === 'otel.status_code' && t.value === 'ERROR'));
const rootOf = (t: Trace) => t.spans.find((s) => !t.spans.some((p) => p.spanID === parentOf(s))) ?? t.spans[0];
const micros = (us: number) => (us >= 1e6 ? `${(us / 1e6).toFixed(2)} s` : us >= 1000 ? `${(us / 1000).toFixed(1)} ms` : `${us} µs`);

/** Spans from parents to children, each with its depth, in the order of their start. */
export function tree(trace: Trace): Array<{ span: Span; depth: number }> {
  const ids = new Set(trace.spans.map((s) => s.spanID));
  const children = new Map<string, Span[]>();
  const roots: Span[] = [];
  for (const s of [...trace.spans].sort((a, b) => a.startTime - b.startTime)) {
    const parent = parentOf(s);
    if (parent && ids.has(parent) && parent !== s.spanID) {
      children.set(parent, [...(children.get(parent) ?? []), s]);
    } else {
      roots.push(s);
    }
  }
  const out: Array<{ span: Span; depth: number }> = [];
  const walk = (s: Span, depth: number) => {
    out.push({ span: s, depth });
    (children.get(s.spanID) ?? []).forEach((c) => walk(c, depth + 1));
  };
  roots.forEach((r) => walk(r, 0));
  return out;
}

function Waterfall({ trace, theme }: { trace: Trace; theme: GrafanaTheme2 }) {
  const [open, setOpen] = useState<string>();
  const start = Math.min(...trace.spans.map((s) => s.startTime));
  const length = Math.max(1, ...trace.spans.map((s) => s.startTime + s.duration - start));
  const services = [...new Set(Object.values(trace.processes).map((p) => p.serviceName))];
  const colour = (service: string) => theme.visualization.getColorByName(theme.visualization.palette[services.indexOf(service) % theme.visualization.palette.length]);
  return (
    <section aria-label={`Trace ${trace.traceID}`}>
      <p><strong>Trace <code>{trace.traceID}</code></strong> · {trace.spans.length} spans · {micros(length)} · {dateTimeFormat(start / 1000)} ·{' '}
        <a href={`/explore?kind=logs&query=${encodeURIComponent(`trace_id:"${trace.traceID}"`)}`} onClick={go}>its log lines</a></p>
      <ol className="waterfall">
        {tree(trace).map(({ span, depth }) => {
          const service = trace.processes[span.processID]?.serviceName ?? '';
          return (
            <li key={span.spanID}>
              <button type="button" className="span" aria-expanded={open === span.spanID} onClick={() => setOpen(open === span.spanID ? undefined : span.spanID)}>
                <span className="span-name" style={{ paddingLeft: depth * 18 }}>
                  <span className="swatch" style={{ background: colour(service) }} />{service} <strong>{span.operationName}</strong>{failed(span) && <span className="firing"> failed</span>}
                </span>
                <span className="span-time">
                  <span className="span-bar" style={{ left: `${(100 * (span.startTime - start)) / length}%`, width: `${Math.max(0.3, (100 * span.duration) / length)}%`, background: colour(service) }} />
                  <span className="span-duration">{micros(span.duration)}</span>
                </span>
              </button>
              {open === span.spanID && (
                <table className="fields"><tbody>
                  {span.tags.map((t) => <tr key={t.key}><th scope="row">{t.key}</th><td>{String(t.value)}</td></tr>)}
                  {span.logs.flatMap((l) => l.fields.map((f, i) => <tr key={l.timestamp + f.key + i}><th scope="row">{micros(l.timestamp - start)} {f.key}</th><td>{String(f.value)}</td></tr>))}
                </tbody></table>
              )}
            </li>
          );
        })}
      </ol>
    </section>
  );
}

