import { request, type PromSeries } from './api';

/** What log lines count up to over time, by the metrics and groups of an Elasticsearch query. Times are in milliseconds, the step in seconds. */
export async function countLogs(
  uid: string, target: any, query: string, from: number, to: number, step: number, fill: (text: string) => string, signal?: AbortSignal,
): Promise<PromSeries[]> {
  const groups = (target.bucketAggs ?? []).filter((b: any) => b.type !== 'date_histogram');
  for (const b of groups) {
    if (b.type !== 'terms') {
      throw new Error(`The sandbox does not group log lines by “${b.type}”.`);
    }
  }
  const metrics = (target.metrics ?? []).filter((m: any) => !m.hide);
  const aggs: Record<string, any> = {};
  for (const m of metrics) {
    if (m.type !== 'count') {
      if (!['avg', 'sum', 'min', 'max', 'cardinality'].includes(m.type)) {
        throw new Error(`The sandbox does not compute “${m.type}” of log lines.`);
      }
      aggs[m.id] = { [m.type]: { field: m.field } };
    }
  }
  const over = (target.bucketAggs ?? []).find((b: any) => b.type === 'date_histogram');
  const interval = over?.settings?.interval && over.settings.interval !== 'auto' ? fill(over.settings.interval) : `${step}s`;
  let inner: any = { over: { date_histogram: { field: over?.field || target.timeField || '@timestamp', fixed_interval: interval, min_doc_count: 0,
    extended_bounds: { min: Math.floor(from), max: Math.ceil(to) } }, ...(Object.keys(aggs).length > 0 ? { aggs } : {}) } };
  for (const b of [...groups].reverse()) {
    inner = { ['by_' + b.field]: { terms: { field: b.field, size: Number(b.settings?.size) || 10 }, aggs: inner } };
  }
  const body = {
    size: 0,
    query: { bool: { filter: [
      { range: { [target.timeField || '@timestamp']: { gte: Math.floor(from), lte: Math.ceil(to), format: 'epoch_millis' } } },
      { query_string: { query: query.trim() === '' ? '*' : query, analyze_wildcard: true } },
    ] } },
    aggs: inner,
  };
  const answer = await request<any>(`/api/datasources/proxy/uid/${encodeURIComponent(uid)}/logs-*/_search?ignore_unavailable=true`, {
    method: 'POST', signal, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  });
  const out: PromSeries[] = [];
  const walk = (aggregations: any, left: any[], labels: Record<string, string>) => {
    if (left.length > 0) {
      for (const b of aggregations?.['by_' + left[0].field]?.buckets ?? []) {
        walk(b, left.slice(1), { ...labels, [left[0].field]: String(b.key_as_string ?? b.key) });
      }
      return;
    }
    for (const m of metrics) {
      const values = (aggregations?.over?.buckets ?? []).map((b: any): [number, string] =>
        [Math.floor(b.key / 1000 / step) * step, String(m.type === 'count' ? b.doc_count : b[m.id]?.value ?? 'NaN')]);
      const name = m.type === 'count' ? 'Count' : `${m.type} ${m.field}`;
      const groupNames = Object.values(labels).join(' ');
      out.push({ metric: labels, name: target.alias || (groupNames ? (metrics.length > 1 ? `${groupNames} ${name}` : groupNames) : name), values });
    }
  };
  walk(answer.aggregations, groups, {});
  return out;
}
