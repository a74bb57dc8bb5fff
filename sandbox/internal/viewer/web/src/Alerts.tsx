import { dateTimeFormat } from '@grafana/data';
import { useState } from 'react';
import { amAlerts, expireSilence, getStatus, silence, silences, type AmAlert } from './api';
import { usePoll } from './poll';
import { Notifications } from './StatusPage';

/** Alerts as Prometheus sees them, what Alertmanager makes of them, silences, and what was sent. */
export function Alerts() {
  const status = usePoll(getStatus, 3000);
  const am = usePoll(amAlerts, 3000);
  const quiet = usePoll(silences, 3000);
  const [refused, setRefused] = useState<string>();
  const change = (p: Promise<unknown>) => p.then(() => { setRefused(undefined); am.again(); quiet.again(); }, (e) => setRefused(e.message));
  const active = status.value?.alerts ?? [];
  return (
    <section aria-labelledby="alerts-title">
      <h1 id="alerts-title">Alerts</h1>
      {[status.error, am.error, refused].filter(Boolean).map((p) => <p key={p} role="alert" className="problem">{p}</p>)}
      <h2>Prometheus</h2>
      {active.length === 0 ? <p className="quiet">No alert is pending or fires.</p> : (
        <table>
          <thead><tr><th scope="col">State</th><th scope="col">Alert</th><th scope="col">Since</th><th scope="col">What is wrong</th></tr></thead>
          <tbody>
            {active.map((a) => (
              <tr key={JSON.stringify(a.labels)}>
                <td className={a.state}>{a.state}</td>
                <td><strong>{a.labels.alertname}</strong><br /><Labels labels={a.labels} /></td>
                <td>{dateTimeFormat(a.activeAt)}</td>
                <td>{a.annotations.description ?? a.annotations.summary}{a.annotations.runbook_url && <><br /><a href={a.annotations.runbook_url}>Runbook</a></>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <h2>Alertmanager</h2>
      {(am.value ?? []).length === 0 ? <p className="quiet">Alertmanager has no alert.</p> : (
        <table>
          <thead><tr><th scope="col">State</th><th scope="col">Alert</th><th scope="col">Receivers</th><th scope="col">Silence</th></tr></thead>
          <tbody>
            {am.value!.map((a) => (
              <tr key={a.fingerprint}>
                <td className={a.status.state === 'active' ? 'firing' : 'quiet'}>{stateOf(a)}</td>
                <td><strong>{a.labels.alertname}</strong><br /><Labels labels={a.labels} /></td>
                <td>{a.receivers.map((r) => r.name).join(', ')}</td>
                <td><button type="button" onClick={() => change(silence(a.labels, 1, 'Silenced in the sandbox'))}>for 1 hour</button></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <h2>Silences</h2>
      {(quiet.value ?? []).filter((s) => s.status.state !== 'expired').length === 0 ? <p className="quiet">None.</p> : (
        <ul className="faults">
          {quiet.value!.filter((s) => s.status.state !== 'expired').map((s) => (
            <li key={s.id}>
              {s.matchers.map((m) => `${m.name}${m.isEqual ? (m.isRegex ? '=~' : '=') : m.isRegex ? '!~' : '!='}"${m.value}"`).join(' ')}, until {dateTimeFormat(s.endsAt)}{' '}
              <button type="button" onClick={() => change(expireSilence(s.id))}>End it</button>
            </li>
          ))}
        </ul>
      )}
      <h2>Notifications</h2>
      <Notifications list={status.value?.notifications ?? []} />
    </section>
  );
}

function stateOf(a: AmAlert): string {
  return a.status.silencedBy.length > 0 ? 'silenced' : a.status.inhibitedBy.length > 0 ? 'inhibited' : a.status.state;
}

function Labels({ labels }: { labels: Record<string, string> }) {
  return <code className="quiet">{Object.entries(labels).filter(([k]) => k !== 'alertname').map(([k, v]) => `${k}=${v}`).join(' ')}</code>;
}
