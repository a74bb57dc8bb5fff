import { createTheme, dateTime } from '@grafana/data';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bucket } from '../src/api';
import { fromPanes } from '../src/explore/Explore';
import { tree } from '../src/explore/Traces';
import { last, legend, rangeFrames, tableFrame, withConfig } from '../src/frames';
import { linksOf, linksOfAll } from '../src/links';
import { spans } from '../src/marks';
import { scopeOf } from '../src/Panel';
import { flatten } from '../src/panels/Logs';
import { columnsFor } from '../src/panels/Values';
import { answer, resample, type Preview } from '../src/preview';
import { withParams } from '../src/route';
import { rangeOf, rangeParams, rateInterval, resolve, stepOf } from '../src/time';
import { format, interpolate, labelQuery, variablesOf, type Variable } from '../src/variables';

const variable = (v: Partial<Variable>): Variable => ({
  name: 'service', label: 'Service', kind: 'query', options: [], value: ['$__all'], multi: true, includeAll: true, ...v,
});
const range = (from: string, to: string) => resolve({ from, to });

describe('variables', () => {
  it.each([
    ['up{service=~"$service"}', variable({ value: ['flink'] }), 'up{service=~"flink"}'],
    ['up{service=~"${service}"}', variable({ value: ['a', 'b.c'] }), String.raw`up{service=~"(a|b\\.c)"}`],
    ['up{service=~"[[service]]"}', variable({ allValue: '.+-collector' }), 'up{service=~".+-collector"}'],
    ['$service', variable({ options: ['a', 'b'] }), '(a|b)'],
    ['$service', variable({}), '.+'],
    ['${service:csv}', variable({ value: ['a', 'b'] }), 'a,b'],
    ['${service:lucene}', variable({ value: ['a', 'b'] }), '("a" OR "b")'],
    ['${service:percentencode}', variable({ value: ['a b'] }), 'a%20b'],
    ['$other stays', variable({}), '$other stays'],
  ])('%s', (text, v, want) => expect(interpolate(text, [v])).toBe(want));

  it("puts Grafana's own before the dashboard's", () => {
    expect(interpolate('rate(x[$__rate_interval]) ${__field.labels.pod}', [], { __rate_interval: '60s', '__field.labels.pod': 'p' })).toBe('rate(x[60s]) p');
  });
  it('takes the address before what is saved', () => {
    const board = { templating: { list: [
      { name: 'service', type: 'query', current: { value: ['$__all'] }, allValue: '.+', query: 'label_values(up, service)', multi: true },
      { name: 'metrics', type: 'datasource', query: 'prometheus', current: { value: 'prometheus' } },
    ] } };
    const [service, metrics] = variablesOf(board, new URLSearchParams('var-service=a&var-service=b'));
    expect(service.value).toEqual(['a', 'b']);
    expect(metrics).toMatchObject({ value: ['prometheus'], options: ['prometheus'], label: 'metrics' });
    expect(variablesOf(board, new URLSearchParams())[0].value).toEqual(['$__all']);
    expect(variablesOf({}, new URLSearchParams())).toEqual([]);
  });
  it.each([
    ['label_values(service)', { label: 'service', match: undefined }],
    ['label_values(up{a=~"x,y"}, service)', { label: 'service', match: 'up{a=~"x,y"}' }],
    ['query_result(up)', undefined],
  ])('reads %s', (text, want) => expect(labelQuery(text)).toEqual(want));
  it('escapes what a regular expression would read', () => expect(format(['a|b', '(c)'])).toBe(String.raw`(a\\|b|\\(c\\))`));
});

describe('time', () => {
  beforeEach(() => { vi.useFakeTimers(); vi.setSystemTime(new Date('2026-01-14T13:00:00Z')); });
  afterEach(() => { vi.useRealTimers(); });

  it('reads an address', () => {
    const r = rangeOf(new URLSearchParams('from=now-6h&to=now'));
    expect(r.to.valueOf() - r.from.valueOf()).toBe(6 * 3600_000);
    expect(rangeParams(r)).toEqual({ from: 'now-6h', to: 'now' });
    const absolute = rangeOf(new URLSearchParams('from=1768392000000&to=1768395600000'));
    expect(absolute.from.valueOf()).toBe(1768392000000);
    expect(rangeOf(new URLSearchParams(''), { from: 'now-5m', to: 'now' }).from.valueOf()).toBe(Date.now() - 300_000);
  });
  it.each([['nonsense', 'now'], ['now', 'now-1h'], ['now-1h', 'now-1h']])('takes the last hour for %s to %s', (from, to) => {
    const r = range(from, to);
    expect(r.raw).toEqual({ from: 'now-1h', to: 'now' });
    expect(r.to.valueOf() - r.from.valueOf()).toBe(3600_000);
  });
  it('steps no finer than scrapes, and as many as there are pixels', () => {
    expect(stepOf(range('now-1h', 'now'), 800)).toBe(15);
    expect(stepOf(range('now-7d', 'now'), 800)).toBe(1800);
    expect(rateInterval(15)).toBe(60);
    expect(rateInterval(300)).toBe(315);
  });
  it('counts bars in widths that people use', () => {
    expect(bucket(3600_000)).toBe('1m');
    expect(bucket(60_000)).toBe('1s');
    expect(bucket(365 * 86_400_000)).toBe('1d');
  });
});

describe('frames', () => {
  it('names series', () => {
    expect(legend('{{pod}} of {{ service }}', { pod: 'p', service: 's' })).toBe('p of s');
    expect(legend('{{gone}}', {})).toBe('');
    expect(legend('', { __name__: 'up', job: 'a' })).toBe('up{job="a"}');
    expect(legend(undefined, {})).toBe('value');
  });
  it('leaves gaps where there is no value', () => {
    const [frame] = rangeFrames('A', [{ metric: { pod: 'p' }, values: [[0, '1'], [30, 'NaN'], [45, '+Inf']] }], '{{pod}}', 0, 60, 15);
    expect(Array.from(frame.fields[1].values)).toEqual([1, null, null, Infinity, null]);
    expect(frame.fields[1].labels).toEqual({ pod: 'p' });
    expect(last(frame.fields[1])).toBe(Infinity);
    expect(last({ ...frame.fields[1], values: [null, NaN] })).toBeNull();
  });
  it('makes a row of each series', () => {
    const frame = tableFrame('A', [{ metric: { a: '1' }, value: [5, '2'] }, { metric: { b: '3' }, value: [5, '4'] }]);
    expect(frame.fields.map((f) => f.name)).toEqual(['Time', 'a', 'b', 'Value']);
    expect(frame.length).toBe(2);
    expect(Array.from(frame.fields[1].values)).toEqual(['1', '']);
  });
  it('gives fields unit, thresholds and overrides', () => {
    const frames = rangeFrames('A', [{ metric: {}, values: [[0, '0.5']] }, { metric: { x: 'y' }, values: [[0, '2']] }], 'n{{x}}', 0, 0, 15);
    const config: any = {
      defaults: { unit: 'percentunit', thresholds: { mode: 'absolute', steps: [{ color: 'green', value: null }, { color: 'red', value: 1 }] } },
      overrides: [{ matcher: { id: 'byName', options: 'ny' }, properties: [{ id: 'unit', value: 's' }] }],
    };
    const [one, two] = withConfig(frames, config, createTheme());
    expect(one.fields[1].display!(0.5)).toMatchObject({ text: '50', suffix: '%' });
    expect(two.fields[1].display!(2)).toMatchObject({ suffix: ' s' });
    expect(one.fields[1].config.thresholds!.steps[0].value).toBe(-Infinity);
    expect([one, two].map((f) => f.fields[1].state!.seriesIndex)).toEqual([0, 1]);
  });
});

describe('links and marks', () => {
  const panel = { fieldConfig: { defaults: { links: [
    { title: 'Log lines of ${__field.labels.service}', url: '/explore?q=${__field.labels.service:percentencode}&from=${__from}' },
  ] } } };
  const r = { from: dateTime(1000), to: dateTime(2000), raw: { from: '1000', to: '2000' } } as any;

  it('leads from a series to its service', () => {
    expect(linksOf(panel, { service: 'a b' }, r, [])).toEqual([{ title: 'Log lines of a b', href: '/explore?q=a%20b&from=1000' }]);
    expect(linksOf(panel, { backend: 's3' }, r, []), 'a label that is not there').toEqual([]);
    expect(linksOf({}, undefined, r, [])).toEqual([]);
  });
  it('names each link of a panel once', () => {
    const frames = rangeFrames('A', ['b', 'a', 'a'].map((service) => ({ metric: { service }, values: [] })), '', 0, 0, 15);
    expect(linksOfAll(panel, frames, r, []).map((l) => l.title)).toEqual(['Log lines of a', 'Log lines of b']);
  });
  it('joins what goes on and tells apart what comes again', () => {
    const at = (...s: number[]) => s.map((t): [number, string] => [t, '1']);
    expect(spans([{ metric: { alertname: 'X' }, values: at(0, 15, 45, 200, 215) }, { metric: { alertname: 'W' }, values: at(0) }], 15, '{{alertname}}', 'red')).toEqual([
      { from: 0, to: 0, title: 'W', color: 'red' }, { from: 0, to: 45_000, title: 'X', color: 'red' }, { from: 200_000, to: 215_000, title: 'X', color: 'red' },
    ]);
  });
  it("has Grafana's variables", () => {
    expect(scopeOf(r, 15)).toMatchObject({ __rate_interval: '60s', __range_ms: '1000', __from: '1000' });
  });
});

describe('explore', () => {
  const route = (panes?: string) => ({ path: '/explore', params: new URLSearchParams(panes === undefined ? {} : { panes }) });
  it('reads the addresses of Grafana', () => {
    const panes = JSON.stringify({ x: { datasource: 'elasticsearch', queries: [{ query: 'level:ERROR' }], range: { from: '1', to: '2' } } });
    const got = fromPanes(route(panes));
    expect(got).toMatchObject({ kind: 'logs', query: 'level:ERROR' });
    expect(got.range!.get('to')).toBe('2');
    expect(fromPanes(route('{'))).toEqual({});
    expect(fromPanes(route())).toEqual({});
  });
  it('keeps the rest of an address', () => {
    expect(withParams({ path: '/d/x', params: new URLSearchParams('a=1&b=2') }, { a: null, c: ['3', '4'] })).toBe('/d/x?b=2&c=3&c=4');
    expect(withParams({ path: '/d/x', params: new URLSearchParams('a=1') }, { a: null })).toBe('/d/x');
  });
  it('puts spans below their parents', () => {
    const span = (spanID: string, startTime: number, parent?: string): any => ({
      spanID, startTime, references: parent ? [{ refType: 'CHILD_OF', spanID: parent }] : [],
    });
    const trace: any = { spans: [span('c', 30, 'b'), span('d', 25, 'a'), span('a', 10), span('b', 20, 'a'), span('orphan', 5, 'gone'), span('self', 40, 'self')] };
    expect(tree(trace).map(({ span: s, depth }) => `${s.spanID}${depth}`)).toEqual(['orphan0', 'a0', 'b1', 'c2', 'd1', 'self0']);
  });
  it('flattens documents', () => {
    expect(flatten({ a: { b: 1, c: null }, tags: ['x', 'y'] })).toEqual([['a.b', '1'], ['a.c', 'null'], ['tags', 'x, y']]);
  });
  it.each([[1, 400, 200, 1], [4, 900, 150, 4], [3, 380, 260, 2], [4, 200, 600, 1]])('%d tiles in %d by %d take %d columns', (n, w, h, want) => {
    expect(columnsFor(n, w, h)).toBe(want);
  });
});

describe('preview', () => {
  const p: Preview = {
    now: 60_000, from: 0, step: 15_000, icons: {},
    scenes: ['usual', 'incident'].map((name, i) => ({ name, title: name, answers: {
      range: { up: [{ m: { job: 'a' }, v: [i, 1, null, 'NaN', 4] }] }, instant: { up: [{ m: {}, v: [7 + i] }] },
      logs: { 'level:ERROR': [{ message: 'm' }] }, errors: { 'rat(': 'parse error' },
    } })),
    versions: [{ name: 'head', title: 'Now', dashboards: [{ uid: 'x', title: 'X' }] }, { name: 'base', title: 'Before', dashboards: [] }],
  };
  const params = new URLSearchParams('data=incident');
  const form = (f: Record<string, string>) => new URLSearchParams(f).toString();
  it('has a value at every time that is asked for', () => {
    expect(resample(p, p.scenes[0].answers.range.up, 0, 60, 20)[0].values).toEqual([[0, '0'], [20, '1'], [60, '4']]);
  });
  it('answers as the data sources do', () => {
    expect(answer(p, '/proxy/api/v1/query_range', form({ query: 'up', start: '0', end: '15', step: '15' }), params)).toMatchObject(
      { data: { result: [{ metric: { job: 'a' }, values: [[0, '1'], [15, '1']] }] } });
    expect(answer(p, '/proxy/api/v1/query', form({ query: 'up', time: '60' }), params)).toMatchObject({ data: { result: [{ value: [60, '8'] }] } });
    const search = JSON.stringify({ query: { bool: { filter: [{ range: {} }, { query_string: { query: 'level:ERROR' } }] } } });
    expect(answer(p, '/proxy/logs-*/_search', search, params)).toMatchObject({ hits: { total: { value: 1 } } });
    expect(answer(p, '/api/dashboards/uid/x', '', params)).toMatchObject({ dashboard: { title: 'X' } });
    expect(answer(p, '/api/search?type=dash-db', '', new URLSearchParams('of=base'))).toEqual([]);
    expect(answer(p, '/api/v1/label/service/values', '', params)).toEqual({ data: [] });
    expect(answer(p, '/api/status', '', params)).toBeUndefined();
  });
  it('says what it has not', () => {
    expect(() => answer(p, '/api/v1/query', form({ query: 'down' }), params)).toThrow('no answer to this query: down');
    expect(() => answer(p, '/api/v1/query', form({ query: 'rat(' }), params)).toThrow('parse error');
    expect(() => answer(p, '/api/dashboards/uid/x', '', new URLSearchParams('of=base'))).toThrow('no such dashboard');
  });
});
