import { dateTimeFormat } from '@grafana/data';
import { useEffect, useRef, useState } from 'react';
import { expireSilence, silence, type Silence } from './api';
import { formatMatchers, parseMatchers } from './matchers';

const lengths: Array<[string, number]> = [['15 minutes', 0.25], ['1 hour', 1], ['4 hours', 4], ['1 day', 24]];

/** Silences that hold, and a form for another; draft is what its matchers begin with. */
export function Silences({ list, draft, onDraft, again }: { list: Silence[]; draft?: string; onDraft(text: string | undefined): void; again(): void }) {
  const [comment, setComment] = useState('');
  const [hours, setHours] = useState(1);
  const [refused, setRefused] = useState<string>();
  const first = useRef<HTMLTextAreaElement>(null);
  useEffect(() => { draft !== undefined && first.current?.focus(); }, [draft === undefined]); // eslint-disable-line
  const attempt = (change: () => Promise<unknown>) => Promise.resolve().then(change).then(() => { setRefused(undefined); again(); return true; }, (e) => { setRefused(e.message); return false; });
  const create = async () => {
    if (await attempt(() => silence(parseMatchers(draft ?? ''), hours, comment || 'Silenced in the sandbox'))) {
      onDraft(undefined);
      setComment('');
    }
  };
  const expired = list.filter((s) => s.status.state === 'expired');
  const held = list.filter((s) => s.status.state !== 'expired');
  return (
    <>
      <h2>Silences {draft === undefined && <button type="button" onClick={() => onDraft('')}>New silence</button>}</h2>
      {draft !== undefined && (
        <form className="silence" onSubmit={(e) => { e.preventDefault(); void create(); }}>
          <label>Alerts with <textarea ref={first} rows={2} value={draft} onChange={(e) => onDraft(e.target.value)} placeholder='alertname="CollectorDown", layer="collection"' spellCheck={false} /></label>
          <label>for <select value={hours} onChange={(e) => setHours(Number(e.target.value))}>{lengths.map(([name, h]) => <option key={h} value={h}>{name}</option>)}</select></label>
          <label>because <input value={comment} onChange={(e) => setComment(e.target.value)} placeholder="Silenced in the sandbox" /></label>
          <button type="submit" className="primary">Silence</button>
          <button type="button" onClick={() => { onDraft(undefined); setRefused(undefined); }}>Cancel</button>
        </form>
      )}
      {refused && <p role="alert" className="problem">{refused}</p>}
      {held.length === 0 && draft === undefined && <p className="quiet">None.</p>}
      <Table list={held} end={(id) => void attempt(() => expireSilence(id))} />
      {expired.length > 0 && <details><summary className="quiet">{expired.length} that have ended</summary><Table list={expired} /></details>}
    </>
  );
}

function Table({ list, end }: { list: Silence[]; end?(id: string): void }) {
  return list.length === 0 ? null : (
    <table>
      <thead><tr><th scope="col">State</th><th scope="col">Alerts with</th><th scope="col">Until</th><th scope="col">Because</th><th scope="col"><span className="unseen">End it</span></th></tr></thead>
      <tbody>
        {list.map((s) => (
          <tr key={s.id}>
            <td><span className={`state state-${s.status.state}`}>{s.status.state}</span></td>
            <td><code>{formatMatchers(s.matchers)}</code></td>
            <td className="when">{dateTimeFormat(s.endsAt)}</td>
            <td>{s.comment} <span className="quiet">({s.createdBy})</span></td>
            <td>{end && <button type="button" onClick={() => end(s.id)}>End it</button>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
