import { dateTimeFormat, type GrafanaTheme2, type TimeRange } from '@grafana/data';
import { useEffect, useState } from 'react';
import { getTrace, searchTraces, traceOperations, traceServices, type Trace } from '../api';
import { go } from '../route';
import { failed, micros, rootOf } from './trace';
import { Waterfall } from './Waterfall';

interface Props { id: string; service: string; operation: string; range: TimeRange; to(changes: Record<string, string | null>): void; theme: GrafanaTheme2 }

/** Traces of a service, or one by its id. */
export function Traces({ id, service, operation, range, to, theme }: Props) {
  const [services, setServices] = useState<string[]>([]);
  const [operations, setOperations] = useState<string[]>([]);
  const [found, setFound] = useState<Trace[]>();
  const [trace, setTrace] = useState<Trace>();
  const [error, setError] = useState<string>();
  const [text, setText] = useState(id);
  const [onlyFailed, setOnlyFailed] = useState(false);
  useEffect(() => { traceServices('jaeger').then((s) => setServices([...s].sort()), (e) => setError(e.message)); }, []);
  useEffect(() => {
    setOperations([]);
    if (service) {
      traceOperations('jaeger', service).then((o) => setOperations([...o].sort()), () => setOperations([]));
    }
  }, [service]);
  useEffect(() => {
    setText(id);
    setTrace(undefined);
    if (id) {
      getTrace('jaeger', id).then((t) => { setTrace(t); setError(undefined); }, (e) => setError(`Trace ${id}: ${e.message}`));
    }
  }, [id]);
  useEffect(() => {
    if (!id && service) {
      searchTraces('jaeger', service, operation, range.from.valueOf(), range.to.valueOf(), 100).then(
        (t) => { setFound(t.sort((a, b) => rootOf(b).startTime - rootOf(a).startTime)); setError(undefined); }, (e) => setError(e.message)
      );
    }
  }, [id, service, operation, range]);
  const shown = (found ?? []).filter((t) => !onlyFailed || t.spans.some(failed));
  const longest = Math.max(1, ...shown.map((t) => rootOf(t).duration));
  return (
    <>
      <form className="query" onSubmit={(e) => { e.preventDefault(); to({ trace: text.trim() || null }); }}>
        <select aria-label="Service" value={service} onChange={(e) => to({ query: e.target.value, op: null, trace: null })}>
          <option value="">Service…</option>
          {services.map((s) => <option key={s}>{s}</option>)}
        </select>
        <select aria-label="Operation" value={operation} disabled={!service} onChange={(e) => to({ op: e.target.value || null, trace: null })}>
          <option value="">every operation</option>
          {operations.map((o) => <option key={o}>{o}</option>)}
        </select>
        <label className="variable"><input type="checkbox" checked={onlyFailed} onChange={(e) => setOnlyFailed(e.target.checked)} /> failed only</label>
        <input aria-label="Trace id" placeholder="or a trace id" value={text} onChange={(e) => setText(e.target.value)} spellCheck={false} />
        <button type="submit" className="primary">Open</button>
      </form>
      {error && <p role="alert" className="problem">{error}</p>}
      {!id && !service && <p className="quiet">Choose a service to see its newest traces, or open one by its id.</p>}
      {!id && shown.length > 0 && (
        <table className="rows">
          <thead><tr><th scope="col">Started</th><th scope="col">Trace</th><th scope="col">Root</th><th scope="col" className="number">Spans</th><th scope="col">Duration</th></tr></thead>
          <tbody>
            {shown.map((t) => {
              const root = rootOf(t);
              return (
                <tr key={t.traceID}>
                  <td>{dateTimeFormat(root.startTime / 1000)}</td>
                  <td><a href={`/explore?kind=traces&trace=${t.traceID}`} onClick={go}><code>{t.traceID.slice(0, 16)}</code></a></td>
                  <td>{t.processes[root.processID]?.serviceName}: {root.operationName}{t.spans.some(failed) && <span className="firing"> failed</span>}</td>
                  <td className="number">{t.spans.length}</td>
                  <td><span className="length" style={{ width: `${(100 * root.duration) / longest}px` }} />{micros(root.duration)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
      {!id && service && found && shown.length === 0 && !error && <p className="quiet">No {onlyFailed && 'failed '}trace of {service} in this time range.</p>}
      {trace && <Waterfall trace={trace} theme={theme} />}
    </>
  );
}
