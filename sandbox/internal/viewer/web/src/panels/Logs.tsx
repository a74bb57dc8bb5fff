import { dateTimeFormat } from '@grafana/data';
import { useState } from 'react';
import type { LogLine } from '../api';
import { go } from '../route';

const levels: Record<string, string> = {
  fatal: 'critical', critical: 'critical', error: 'error', err: 'error', warn: 'warning', warning: 'warning', info: 'info', debug: 'debug', trace: 'trace',
};

/** Log lines, newest first; a line opens to its fields, its trace_id to the trace. */
export function LogRows({ lines, onFilter }: { lines: LogLine[]; onFilter?: (field: string, value: string) => void }) {
  const [open, setOpen] = useState<string>();
  return (
    <ol className="logs" aria-label="Log lines">
      {lines.map((line) => {
        const s = line.source;
        const level = levels[String(s.level ?? s.log_level ?? '').toLowerCase()] ?? 'unknown';
        const expanded = open === line.id;
        return (
          <li key={line.index + line.id} className={`log level-${level}`}>
            <button type="button" className="log-line" aria-expanded={expanded} onClick={() => setOpen(expanded ? undefined : line.id)}>
              <time>{dateTimeFormat(s['@timestamp'])}</time>
              <span className="log-level">{String(s.level ?? '')}</span>
              <span className="log-service">{String(s.service ?? '')}</span>
              <span className="log-message">{String(s.message ?? JSON.stringify(s))}</span>
            </button>
            {expanded && <Fields line={line} onFilter={onFilter} />}
          </li>
        );
      })}
    </ol>
  );
}

function Fields({ line, onFilter }: { line: LogLine; onFilter?: (field: string, value: string) => void }) {
  return (
    <table className="fields">
      <tbody>
        {flatten(line.source).map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>
              {name === 'trace_id' ? (
                <a href={`/explore?kind=traces&trace=${encodeURIComponent(value)}`} onClick={go}>{value}</a>
              ) : (
                value
              )}
            </td>
            <td>{onFilter && <button type="button" className="link" onClick={() => onFilter(name, value)}>filter for value</button>}</td>
          </tr>
        ))}
        <tr><th scope="row">index</th><td>{line.index}</td><td /></tr>
      </tbody>
    </table>
  );
}

/** The fields of a document by their dotted names. */
export function flatten(value: Record<string, any>, prefix = ''): Array<[string, string]> {
  return Object.entries(value).flatMap(([k, v]): Array<[string, string]> =>
    v !== null && typeof v === 'object' && !Array.isArray(v)
      ? flatten(v, prefix + k + '.')
      : [[prefix + k, Array.isArray(v) ? v.join(', ') : String(v)]]
  );
}
