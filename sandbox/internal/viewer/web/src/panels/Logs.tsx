import { dateTimeFormat } from '@grafana/data';
import { useState } from 'react';
import type { LogLine } from '../api';
import { go } from '../route';

/** Levels from the worst to the least, in Grafana's colours; the last is for lines that say none. */
export const levels = [
  { name: 'critical', color: '#b877d9', words: /^(fatal|critical|crit|emerg|alert)/ },
  { name: 'error', color: '#f2495c', words: /^err/ },
  { name: 'warning', color: '#ff9830', words: /^warn/ },
  { name: 'info', color: '#73bf69', words: /^(info|notice)/ },
  { name: 'debug', color: '#5794f2', words: /^debug/ },
  { name: 'trace', color: '#6ed0e0', words: /^trace/ },
  { name: 'unknown', color: '#8e8e8e', words: /^/ },
] as const;

/** The level that a line or a word says. */
export const levelOf = (word: unknown) => levels.find((l) => l.words.test(String(word ?? '').toLowerCase()) && (word || l.name === 'unknown'))!;

interface Filters { onFilter?(field: string, value: string): void; onExclude?(field: string, value: string): void }

/** Log lines, newest first; a line opens to its fields, its trace_id to the trace. */
export function LogRows({ lines, ...filters }: { lines: LogLine[] } & Filters) {
  const [open, setOpen] = useState<string>();
  return (
    <ol className="logs" aria-label="Log lines">
      {lines.map((line) => {
        const s = line.source, key = line.index + line.id;
        const level = levelOf(s.level ?? s.log_level);
        const expanded = open === key;
        return (
          <li key={key} className="log" style={{ borderLeftColor: level.color }}>
            <button type="button" className="log-line" aria-expanded={expanded} onClick={() => setOpen(expanded ? undefined : key)}>
              <time>{dateTimeFormat(s['@timestamp'], { defaultWithMS: true })}</time>
              <span className={`log-level level-${level.name}`}>{String(s.level ?? '')}</span>
              <span className="log-service">{String(s.service ?? '')}</span>
              <span className="log-message">{String(s.message ?? JSON.stringify(s))}</span>
            </button>
            {expanded && <Fields line={line} {...filters} />}
          </li>
        );
      })}
    </ol>
  );
}

function Fields({ line, onFilter, onExclude }: { line: LogLine } & Filters) {
  return (
    <table className="fields">
      <tbody>
        {flatten(line.source).map(([name, value]) => (
          <tr key={name}>
            {onFilter && (
              <td className="filters">
                <button type="button" title={`Only lines with this ${name}`} aria-label={`Only lines with this ${name}`} onClick={() => onFilter(name, value)}>+</button>
                <button type="button" title={`No lines with this ${name}`} aria-label={`No lines with this ${name}`} onClick={() => onExclude?.(name, value)}>−</button>
              </td>
            )}
            <th scope="row">{name}</th>
            <td>
              {value}
              {name === 'trace_id' && <> <a className="to-trace" href={`/explore?kind=traces&trace=${encodeURIComponent(value)}`} onClick={go}>Open the trace</a></>}
            </td>
          </tr>
        ))}
        <tr>{onFilter && <td />}<th scope="row">index</th><td>{line.index}</td></tr>
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
