import { dateTimeFormat, type GrafanaTheme2 } from '@grafana/data';
import { useMemo, useState } from 'react';
import type { Span, Trace } from '../api';
import { go } from '../route';
import { failed, micros, tree } from './trace';

/** The spans of a trace below their parents, each where it lay in time, as in Grafana's trace view. */
export function Waterfall({ trace, theme }: { trace: Trace; theme: GrafanaTheme2 }) {
  const [open, setOpen] = useState<string>();
  const [shut, setShut] = useState<Set<string>>(new Set());
  const { rows, start, length, services } = useMemo(() => {
    const first = Math.min(...trace.spans.map((s) => s.startTime));
    return {
      rows: tree(trace), start: first, length: Math.max(1, ...trace.spans.map((s) => s.startTime + s.duration - first)),
      services: [...new Set(Object.values(trace.processes).map((p) => p.serviceName))].sort(),
    };
  }, [trace]);
  const colour = (service: string) => theme.visualization.getColorByName(theme.visualization.palette[services.indexOf(service) % theme.visualization.palette.length]);
  const share = (us: number) => `${(100 * us) / length}%`;
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  let hiddenBelow = Infinity;
  const shown = rows.filter(({ span, depth }) => {
    if (depth > hiddenBelow) {
      return false;
    }
    hiddenBelow = shut.has(span.spanID) ? depth : Infinity;
    return true;
  });
  const root = rows[0]?.span;
  return (
    <section aria-label={`Trace ${trace.traceID}`} className="trace">
      <header>
        <h2>{root && trace.processes[root.processID]?.serviceName}: {root?.operationName}</h2>
        <p className="quiet">
          <code>{trace.traceID}</code> · {dateTimeFormat(start / 1000, { defaultWithMS: true })} · {micros(length)} · {trace.spans.length} spans ·{' '}
          {services.map((s) => <span key={s} className="legend"><span className="swatch" style={{ background: colour(s) }} />{s}</span>)} ·{' '}
          <a href={`/explore?kind=logs&query=${encodeURIComponent(`trace_id:"${trace.traceID}"`)}&from=${Math.floor(start / 1000) - 300_000}&to=${Math.ceil((start + length) / 1000) + 300_000}`} onClick={go}>its log lines</a>
        </p>
      </header>
      <div className="span-head" aria-hidden="true">
        <span>Service and operation</span>
        <span className="ruler">{ticks.map((t) => <span key={t} style={{ left: `${100 * t}%`, transform: `translateX(-${100 * t}%)` }}>{micros(Math.round(length * t))}</span>)}</span>
      </div>
      <ol className="waterfall">
        {shown.map(({ span, depth, children }) => {
          const service = trace.processes[span.processID]?.serviceName ?? '';
          const left = (span.startTime - start) / length, right = left + span.duration / length;
          const beside = right < 0.85 ? { left: share(span.startTime - start + span.duration) } : left > 0.15 ? { right: `${100 * (1 - left)}%` } : { right: '0' };
          return (
            <li key={span.spanID}>
              <div className={open === span.spanID ? 'span open' : 'span'}>
                <div className="span-name" style={{ paddingLeft: 6 + depth * 16 }}>
                  {children > 0
                    ? <button type="button" className="fold" aria-expanded={!shut.has(span.spanID)} aria-label={`Spans below ${span.operationName}`} onClick={() => setShut((all) => { const next = new Set(all); if (!next.delete(span.spanID)) { next.add(span.spanID); } return next; })}>{shut.has(span.spanID) ? '▸' : '▾'}</button>
                    : <span className="fold" />}
                  <span className="span-colour" style={{ background: colour(service) }} />
                  <button type="button" className="link span-title" aria-expanded={open === span.spanID} onClick={() => setOpen(open === span.spanID ? undefined : span.spanID)}>
                    <strong>{service}</strong> <span>{span.operationName}</span>{failed(span) && <span className="firing" title="failed"> failed</span>}
                  </button>
                </div>
                <div className="span-time" onClick={() => setOpen(open === span.spanID ? undefined : span.spanID)}>
                  {ticks.slice(1, -1).map((t) => <span key={t} className="tick" style={{ left: `${100 * t}%` }} />)}
                  <span className="span-bar" style={{ left: share(span.startTime - start), width: share(span.duration), background: failed(span) ? '#f2495c' : colour(service) }} />
                  <span className="span-duration" style={beside}>{micros(span.duration)}</span>
                </div>
              </div>
              {open === span.spanID && <Details span={span} trace={trace} start={start} service={service} />}
            </li>
          );
        })}
      </ol>
    </section>
  );
}

/** What a span says of itself, and where else it is seen. */
function Details({ span, trace, start, service }: { span: Span; trace: Trace; start: number; service: string }) {
  const around = `from=${Math.floor(span.startTime / 1000) - 300_000}&to=${Math.ceil((span.startTime + span.duration) / 1000) + 300_000}`;
  const rows = (all: Array<{ key: string; value: any }>) => all.map((t, i) => <tr key={t.key + i}><th scope="row">{t.key}</th><td>{String(t.value)}</td></tr>);
  return (
    <div className="span-details">
      <p>
        Begins after {micros(span.startTime - start)}, takes {micros(span.duration)}. Span <code>{span.spanID}</code>.{' '}
        <a href={`/explore?kind=logs&query=${encodeURIComponent(`span_id:"${span.spanID}"`)}&${around}`} onClick={go}>Log lines of the span</a>,{' '}
        <a href={`/explore?kind=logs&query=${encodeURIComponent(`service:"${service}"`)}&${around}`} onClick={go}>of {service} around it</a>,{' '}
        <a href={`/explore?kind=metrics&query=${encodeURIComponent(`sum by (code) (rate(http_requests_total{service="${service}"}[$__rate_interval]))`)}&${around}`} onClick={go}>requests of {service}</a>
      </p>
      <table className="fields">
        <tbody>
          {rows(span.tags)}
          {rows((trace.processes[span.processID]?.tags ?? []) as any[])}
        </tbody>
      </table>
      {span.logs.length > 0 && (
        <>
          <h3>Events</h3>
          <table className="fields"><tbody>
            {span.logs.flatMap((l) => l.fields.map((f, i) => <tr key={l.timestamp + f.key + i}><th scope="row">{micros(l.timestamp - start)}</th><td>{f.key}</td><td>{String(f.value)}</td></tr>))}
          </tbody></table>
        </>
      )}
    </div>
  );
}
