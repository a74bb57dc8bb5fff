import { dateTimeFormat } from '@grafana/data';
import { useState, type ReactNode } from 'react';
import { faults, getStatus, setFault } from './api';
import { usePoll } from './poll';

export function StatusPage() {
  const { value: status, error } = usePoll(getStatus, 3000);
  return (
    <section aria-labelledby="status-title">
      <h1 id="status-title">Status</h1>
      {[error, ...(status?.problems ?? [])].filter(Boolean).map((p) => <p key={p} role="alert" className="problem">{p}</p>)}
      <div className="columns">
        <div>
          <h2>Components</h2>
          <table>
            <thead><tr><th scope="col">Component</th><th scope="col">State</th><th scope="col">Addresses</th></tr></thead>
            <tbody>
              {status?.components.map((c) => (
                <tr key={c.name}>
                  <td><strong>{c.name}</strong></td>
                  <td><span className={`state state-${c.ready ? 'ready' : 'firing'}`}>{c.ready ? 'ready' : 'not ready'}</span>{c.reason && <span className="quiet"> {c.reason}</span>}</td>
                  <td>
                    <ul className="ports">{c.ports.map((p) => <li key={p.name}><span className="quiet">{p.name}</span> {p.url ? <a href={p.url}>{p.address}</a> : p.address}</li>)}</ul>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <div>
          <Faults />
          <h2>Notifications</h2>
          <Notifications list={status?.notifications ?? []} />
        </div>
      </div>
    </section>
  );
}

export function Notifications({ list }: { list: NonNullable<Awaited<ReturnType<typeof getStatus>>['notifications']> }) {
  if (list.length === 0) {
    return <p className="quiet">Nothing has been sent to Slack or PagerDuty yet.</p>;
  }
  return (
    <ol className="notifications">
      {list.map((n) => (
        <li key={n.id}>
          <span className="quiet">{dateTimeFormat(n.received)} · {n.kind === 'slack' ? 'Slack' : 'PagerDuty'}{n.severity && ` · ${n.severity}`}</span>
          <strong>{n.title}</strong>
          {n.text && <p className="notification-text">{n.kind === 'slack' ? mrkdwn(n.text) : n.text}</p>}
        </li>
      ))}
    </ol>
  );
}

/** What Slack makes of *bold*, <url|words> and <url>. */
export function mrkdwn(text: string): ReactNode[] {
  return text.split(/(\*[^*\n]+\*|<https?:[^>\n]+>)/).map((part, i) => {
    const link = /^<(https?:[^|>]+)(?:\|(.*))?>$/.exec(part);
    if (link) {
      return <a key={i} href={link[1]}>{link[2] ?? link[1]}</a>;
    }
    return /^\*[^*\n]+\*$/.test(part) ? <b key={i}>{part.slice(1, -1)}</b> : part;
  });
}

interface Known { name: string; meaning: string; services?: string[]; alert?: string }
interface Active { name: string; service?: string; until?: string }

function Faults() {
  const { value, error, again } = usePoll(() => faults() as Promise<{ faults: Known[]; active: Active[] }>, 3000);
  const [name, setName] = useState('');
  const [service, setService] = useState('');
  const [duration, setDuration] = useState('10m');
  const [refused, setRefused] = useState<string>();
  const chosen = value?.faults.find((f) => f.name === name);
  const change = (p: Promise<void>) => p.then(() => { setRefused(undefined); again(); }, (e) => setRefused(e.message));
  return (
    <>
      <h2>Faults</h2>
      {error && <p role="alert" className="problem">{error}</p>}
      {value && value.active.length === 0 && <p className="quiet">Nothing is broken.</p>}
      {value && value.active.length > 0 && (
        <ul className="faults">
          {value.active.map((a) => (
            <li key={a.name + a.service}>
              <strong>{a.name}</strong> {a.service || 'everywhere'}{a.until ? `, until ${dateTimeFormat(a.until)}` : ''}{' '}
              <button type="button" onClick={() => change(setFault(a.name, false, a.service))}>Mend</button>
            </li>
          ))}
        </ul>
      )}
      {value && (
        <form className="controls" onSubmit={(e) => { e.preventDefault(); change(setFault(name, true, service, duration)); }}>
          <label>Break{' '}
            <select required value={name} onChange={(e) => { setName(e.target.value); setService(''); }}>
              <option value="">choose…</option>
              {value.faults.map((f) => <option key={f.name}>{f.name}</option>)}
            </select>
          </label>
          <label>for{' '}
            <select value={service} onChange={(e) => setService(e.target.value)}>
              <option value="">every service</option>
              {chosen?.services?.map((s) => <option key={s}>{s}</option>)}
            </select>
          </label>
          <label>during{' '}
            <select value={duration} onChange={(e) => setDuration(e.target.value)}>
              {['2m', '10m', '30m', '1h'].map((d) => <option key={d}>{d}</option>)}
            </select>
          </label>
          <button type="submit" className="primary">Break it</button>
        </form>
      )}
      {chosen && <p className="quiet">{chosen.meaning}{chosen.alert ? `. Fires ${chosen.alert}.` : '.'}</p>}
      {refused && <p role="alert" className="problem">{refused}</p>}
    </>
  );
}
