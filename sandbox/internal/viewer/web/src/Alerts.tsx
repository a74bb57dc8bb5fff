import { dateTimeFormat } from '@grafana/data';
import { useState } from 'react';
import { alertRules, amAlerts, getStatus, silences, type AlertRule, type AmAlert } from './api';
import { formatMatchers, matchersOf } from './matchers';
import { usePoll } from './poll';
import { go } from './route';
import { Silences } from './Silences';
import { Notifications } from './StatusPage';

const states = ['firing', 'pending', 'inactive'] as const;

/** Alert rules and their state, what Alertmanager makes of the alerts, silences, and what was sent. */
export function Alerts() {
  const status = usePoll(getStatus, 3000);
  const rules = usePoll(alertRules, 5000);
  const am = usePoll(amAlerts, 3000);
  const quiet = usePoll(silences, 3000);
  const [draft, setDraft] = useState<string>();
  const [only, setOnly] = useState<string>('');
  const all = [...(rules.value ?? [])].sort((a, b) => states.indexOf(a.state) - states.indexOf(b.state));
  const count = (state: string) => all.filter((r) => r.state === state).length;
  const shown = all.filter((r) => !only || r.state === only);
  return (
    <section aria-labelledby="alerts-title">
      <h1 id="alerts-title">Alerts</h1>
      {[status.error, rules.error, am.error, quiet.error].filter(Boolean).map((p) => <p key={p} role="alert" className="problem">{p}</p>)}
      <h2>Rules</h2>
      <div className="tabs" role="group" aria-label="State of the rules">
        {['', ...states].map((s) => (
          <button key={s} type="button" aria-pressed={only === s} onClick={() => setOnly(s)}>{s || 'all'} {s ? count(s) : all.length}</button>
        ))}
      </div>
      {rules.value && shown.length === 0 && <p className="quiet">No alert rule is {only || 'loaded'}.</p>}
      <ul className="rules">{shown.map((r) => <Rule key={r.group + r.name + JSON.stringify(r.labels)} rule={r} />)}</ul>
      <h2>Alertmanager</h2>
      {(am.value ?? []).length === 0 ? <p className="quiet">Alertmanager has no alert.</p> : (
        <table>
          <thead><tr><th scope="col">State</th><th scope="col">Alert</th><th scope="col">Since</th><th scope="col">Receivers</th><th scope="col"><span className="unseen">Silence</span></th></tr></thead>
          <tbody>
            {am.value!.map((a) => (
              <tr key={a.fingerprint}>
                <td><State of={stateOf(a)} /></td>
                <td><strong>{a.labels.alertname}</strong> <Labels labels={a.labels} /></td>
                <td className="when">{dateTimeFormat(a.startsAt)}</td>
                <td>{a.receivers.map((r) => r.name).join(', ')}</td>
                <td><button type="button" aria-label={`Silence ${a.labels.alertname}`} onClick={() => setDraft(formatMatchers(matchersOf(a.labels)))}>Silence</button></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Silences list={quiet.value ?? []} draft={draft} onDraft={setDraft} again={() => { quiet.again(); am.again(); }} />
      <h2>Notifications</h2>
      <Notifications list={status.value?.notifications ?? []} />
    </section>
  );
}

function Rule({ rule }: { rule: AlertRule }) {
  const severity = rule.labels.severity;
  return (
    <li>
      <details>
        <summary>
          <State of={rule.state} />
          <strong>{rule.name}</strong>
          <span className="quiet">{[severity, rule.labels.layer, rule.group].filter(Boolean).join(' · ')}</span>
          {rule.health !== 'ok' && rule.health !== 'unknown' && <span className="firing">{rule.lastError}</span>}
          {rule.alerts.length > 0 && <span className="quiet">{rule.alerts.length} {rule.alerts.length === 1 ? 'alert' : 'alerts'}</span>}
        </summary>
        <pre className="expression">{rule.query}</pre>
        <p className="quiet">
          Held for {rule.duration} s before it fires.{' '}
          <a href={`/explore?kind=metrics&query=${encodeURIComponent(rule.query)}`} onClick={go}>See the expression</a>
          {rule.annotations.runbook_url && <>, <a href={rule.annotations.runbook_url}>runbook</a></>}
        </p>
        {rule.alerts.length === 0 && <p>{rule.annotations.summary}</p>}
        {rule.alerts.length > 0 && (
          <table>
            <thead><tr><th scope="col">State</th><th scope="col">Since</th><th scope="col">What is wrong</th></tr></thead>
            <tbody>
              {rule.alerts.map((a) => (
                <tr key={JSON.stringify(a.labels)}>
                  <td><State of={a.state} /></td>
                  <td className="when">{dateTimeFormat(a.activeAt)}</td>
                  <td>{a.annotations.description ?? a.annotations.summary} <Labels labels={a.labels} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </details>
    </li>
  );
}

const State = ({ of }: { of: string }) => <span className={`state state-${of}`}>{of}</span>;

const stateOf = (a: AmAlert) => (a.status.silencedBy.length > 0 ? 'silenced' : a.status.inhibitedBy.length > 0 ? 'inhibited' : a.status.state === 'active' ? 'firing' : a.status.state);

function Labels({ labels }: { labels: Record<string, string> }) {
  return <span className="labels">{Object.entries(labels).filter(([k]) => k !== 'alertname').map(([k, v]) => <code key={k}>{k}={v}</code>)}</span>;
}
