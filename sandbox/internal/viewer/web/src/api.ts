// What the viewer's server answers. Data sources are reached as in Grafana, through its proxy, by their uid.
import type { TimeRange } from '@grafana/data';
import { early, paths } from './early';
import type { Matcher } from './matchers';
import { levelOf } from './panels/Logs';
import { filtered, labelQuery } from './variables';

export interface Port { name: string; address: string; url?: string }
export interface Component { name: string; ports: Port[]; ready: boolean; reason?: string }
export interface Alert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  state: 'pending' | 'firing';
  activeAt: string;
  value: string;
}
export interface Notification {
  id: number; received: string; kind: 'slack' | 'pagerduty'; title: string; text: string; severity?: string;
}
export interface Status {
  at: string;
  components: Component[];
  alerts: Alert[] | null;
  notifications: Notification[] | null;
  problems?: string[];
}
export interface DashboardHit { uid: string; title: string; url: string; tags: string[] }

/** An answer of the server that is no success, in the words of whatever refused. */
export class ApiError extends Error {}

export async function request<T>(path: string, init?: RequestInit): Promise<T> {
  const res = await ((init ? undefined : early(path)) ?? fetch(path, init));
  const body = await res.text();
  let value: any;
  try {
    value = body === '' ? undefined : JSON.parse(body);
  } catch {
    throw new ApiError(`${path} answers no JSON (${res.status}): ${body.slice(0, 200)}`);
  }
  if (!res.ok) {
    const reason = value?.message ?? value?.error?.reason ?? value?.error ?? res.statusText;
    throw new ApiError(typeof reason === 'string' ? reason : JSON.stringify(reason));
  }
  return value as T;
}

export const getStatus = (signal?: AbortSignal) => request<Status>('/api/status', { signal });
export const listDashboards = () => request<DashboardHit[]>(paths.dashboards);
export const getDashboard = (uid: string) =>
  request<{ dashboard: any }>(paths.dashboard(uid)).then((d) => d.dashboard);

const proxy = (uid: string, path: string) => `/api/datasources/proxy/uid/${encodeURIComponent(uid)}${path}`;

export interface PromSeries { metric: Record<string, string>; /** Where it has one of its own. */ name?: string; values?: Array<[number, string]>; value?: [number, string] }

/** A PromQL query over a range, or of one instant where step is 0. Times are in seconds. */
export async function prometheus(uid: string, expr: string, from: number, to: number, step: number, signal?: AbortSignal) {
  const instant = step === 0;
  const form: Record<string, string> = instant
    ? { query: expr, time: String(to) }
    : { query: expr, start: String(from), end: String(to), step: String(step) };
  const answer = await request<{ data: { resultType: string; result: any } }>(
    proxy(uid, instant ? '/api/v1/query' : '/api/v1/query_range'),
    { method: 'POST', signal, headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(form) }
  );
  if (answer.data.resultType === 'scalar' || answer.data.resultType === 'string') {
    return [{ metric: {}, value: answer.data.result }] as PromSeries[];
  }
  return answer.data.result as PromSeries[];
}

/** What a query of a variable finds: label_values(…), label_names(), metrics(…) or query_result(…), as in Grafana. */
export async function variableOptions(uid: string, query: string, regex: string | undefined, range: TimeRange): Promise<string[]> {
  const span = { start: String(Math.floor(range.from.valueOf() / 1000)), end: String(Math.ceil(range.to.valueOf() / 1000)) };
  const labels = async (path: string, match?: string) =>
    (await request<{ data: string[] }>(proxy(uid, `${path}?${new URLSearchParams({ ...span, ...(match ? { 'match[]': match } : {}) })}`))).data;
  const values = labelQuery(query), [, call, inner] = /^(label_names|metrics|query_result)\((.*)\)$/s.exec(query.trim()) ?? [];
  if (values) {
    return filtered(await labels(`/api/v1/label/${values.label}/values`, values.match), regex);
  }
  if (call === 'label_names') {
    return filtered(await labels('/api/v1/labels'), regex);
  }
  if (call === 'metrics') {
    return filtered((await labels('/api/v1/label/__name__/values')).filter((name) => new RegExp(inner.trim()).test(name)), regex);
  }
  const series = await prometheus(uid, call === 'query_result' ? inner : query, 0, range.to.valueOf() / 1000, 0);
  return filtered(series.map((s) => {
    const { __name__: name = '', ...rest } = s.metric;
    return `${name}{${Object.entries(rest).map(([k, v]) => `${k}="${v}"`).join(',')}} ${s.value?.[1] ?? ''} ${Math.round((s.value?.[0] ?? 0) * 1000)}`;
  }), regex);
}

export interface LogLine { id: string; index: string; source: Record<string, any> }
/** histogram counts lines over time, and by level. */
export interface LogAnswer { total: number; lines: LogLine[]; histogram: Array<{ key: number; doc_count: number; levels: Record<string, number> }> }

/** The newest log lines that a Lucene query finds. Times are in milliseconds. */
export async function searchLogs(uid: string, query: string, from: number, to: number, size: number, signal?: AbortSignal): Promise<LogAnswer> {
  const body = {
    size, track_total_hits: true,
    sort: [{ '@timestamp': { order: 'desc' } }],
    query: { bool: { filter: [
      { range: { '@timestamp': { gte: Math.floor(from), lte: Math.ceil(to), format: 'epoch_millis' } } },
      { query_string: { query: query.trim() === '' ? '*' : query, analyze_wildcard: true } },
    ] } },
    aggs: { over_time: { date_histogram: { field: '@timestamp', fixed_interval: bucket(to - from), min_doc_count: 0,
      extended_bounds: { min: Math.floor(from), max: Math.ceil(to) } }, aggs: { level: { terms: { field: 'level', size: 20 } } } } },
  };
  const answer = await request<any>(proxy(uid, '/logs-*/_search?ignore_unavailable=true'), {
    method: 'POST', signal, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  });
  return {
    total: answer.hits.total.value,
    lines: answer.hits.hits.map((h: any) => ({ id: h._id, index: h._index, source: h._source })),
    histogram: (answer.aggregations?.over_time?.buckets ?? []).map((b: any) => {
      const levels: Record<string, number> = {};
      for (const l of b.level?.buckets ?? []) {
        levels[levelOf(l.key).name] = (levels[levelOf(l.key).name] ?? 0) + l.doc_count;
      }
      const known = Object.values(levels).reduce((a, n) => a + n, 0);
      return { key: b.key, doc_count: b.doc_count, levels: { ...levels, unknown: (levels.unknown ?? 0) + b.doc_count - known } };
    }),
  };
}

const widths = [[1000, '1s'], [5000, '5s'], [10_000, '10s'], [30_000, '30s'], [60_000, '1m'], [300_000, '5m'],
  [600_000, '10m'], [1_800_000, '30m'], [3_600_000, '1h'], [10_800_000, '3h'], [86_400_000, '1d']] as const;
const widthOf = (ms: number) => widths.find(([width]) => ms / width <= 60) ?? widths[widths.length - 1];

/** About 60 bars, of a width that people count in. */
export const bucket = (ms: number): string => widthOf(ms)[1];

/** How wide such a bar is, in milliseconds. */
export const bucketWidth = (ms: number): number => widthOf(ms)[0];

export interface Span {
  traceID: string; spanID: string; operationName: string; startTime: number; duration: number; processID: string;
  references: Array<{ refType: string; spanID: string }>;
  tags: Array<{ key: string; value: any }>;
  logs: Array<{ timestamp: number; fields: Array<{ key: string; value: any }> }>;
}
export interface Trace { traceID: string; spans: Span[]; processes: Record<string, { serviceName: string; tags?: any[] }> }

export const traceServices = (uid: string) => request<{ data: string[] | null }>(proxy(uid, '/api/services')).then((a) => a.data ?? []);
export const getTrace = (uid: string, id: string) =>
  request<{ data: Trace[] }>(proxy(uid, '/api/traces/' + encodeURIComponent(id))).then((a) => a.data[0]);
export const traceOperations = (uid: string, service: string) =>
  request<{ data: string[] | null }>(proxy(uid, `/api/services/${encodeURIComponent(service)}/operations`)).then((a) => a.data ?? []);
export const searchTraces = (uid: string, service: string, operation: string, from: number, to: number, limit: number) =>
  request<{ data: Trace[] | null }>(proxy(uid, '/api/traces?' + new URLSearchParams({
    service, ...(operation ? { operation } : {}), start: String(Math.floor(from * 1000)), end: String(Math.ceil(to * 1000)), limit: String(limit),
  }))).then((a) => a.data ?? []);

/** An alert rule of Prometheus; duration is in seconds. */
export interface AlertRule {
  name: string; group: string; query: string; duration: number; state: 'firing' | 'pending' | 'inactive'; health: string; lastError?: string;
  labels: Record<string, string>; annotations: Record<string, string>; alerts: Alert[];
}
export const alertRules = () =>
  request<{ data: { groups: Array<{ name: string; rules: Array<Omit<AlertRule, 'group'>> }> } }>(proxy('prometheus', '/api/v1/rules?type=alert'))
    .then((a) => a.data.groups.flatMap((g) => g.rules.map((r): AlertRule => ({ ...r, group: g.name }))));

export interface AmAlert {
  fingerprint: string; labels: Record<string, string>; annotations: Record<string, string>; startsAt: string;
  status: { state: string; silencedBy: string[]; inhibitedBy: string[] }; receivers: Array<{ name: string }>;
}
export const amAlerts = () => request<AmAlert[]>(proxy('alertmanager', '/api/v2/alerts'));
export interface Silence {
  id: string; status: { state: string }; comment: string; createdBy: string; endsAt: string; matchers: Matcher[];
}
export const silences = () => request<Silence[]>(proxy('alertmanager', '/api/v2/silences'));
export const silence = (matchers: Matcher[], hours: number, comment: string) =>
  request<{ silenceID: string }>(proxy('alertmanager', '/api/v2/silences'), {
    method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      matchers, createdBy: 'sandbox', comment,
      startsAt: new Date().toISOString(), endsAt: new Date(Date.now() + hours * 3_600_000).toISOString(),
    }),
  });
export const expireSilence = (id: string) => request<void>(proxy('alertmanager', '/api/v2/silence/' + id), { method: 'DELETE' });

export interface Fault { name: string; meaning: string; services?: string[]; alert?: string; active?: Array<{ service?: string; until?: string }> }
export const faults = () => request<any>('/api/faults');
export const setFault = (name: string, on: boolean, service?: string, duration?: string) => {
  const query = new URLSearchParams();
  if (service) { query.set('service', service); }
  if (on && duration) { query.set('for', duration); }
  return request<void>(`/api/faults/${name}?${query}`, { method: on ? 'PUT' : 'DELETE' });
};
