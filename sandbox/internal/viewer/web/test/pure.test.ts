import { createTheme, dateTime } from '@grafana/data';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bucket } from '../src/api';
import { fromPanes } from '../src/explore/Explore';
import { tree } from '../src/explore/trace';
import { bucketFrames, legend, rangeFrames, tableFrame, withConfig } from '../src/frames';
import { linksOf, linksOfAll } from '../src/links';
import { countLogs } from '../src/counts';
import { layout } from '../src/layout';
import { spans } from '../src/marks';
import { formatMatchers, parseMatchers } from '../src/matchers';
import { scopeOf } from '../src/Panel';
import { hideOthers } from '../src/panels/Lines';
import { legible } from '../src/panels/Values';
import { plain } from '../src/explore/PromqlEditor';
import { mrkdwn } from '../src/StatusPage';
import { flatten, levelOf } from '../src/panels/Logs';
import { answer, resample, type Preview } from '../src/preview';
import { withParams } from '../src/route';
import { rangeOf, rangeParams, rateInterval, resolve, stepOf, ticksOf } from '../src/time';
import { sourceOf } from '../src/sources';
import { transform } from '../src/transforms';
import { aheadOf, zoneOf } from '../src/zone';
import { filtered, format, interpolate, labelQuery, variablesOf, type Variable } from '../src/variables';

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
  it.each([
    ['', undefined, 'browser', undefined], ['', 'utc', 'utc', undefined], ['?timezone=browser', 'utc', 'browser', undefined],
    ['?timezone=UTC', undefined, 'utc', undefined], ['', 'Europe/Berlin', 'browser', 'Europe/Berlin'],
  ])('the zone of an address %s and a dashboard of %s is %s', (search, board, zone, unknown) => {
    expect(zoneOf({ path: '/d/x', params: new URLSearchParams(search) }, board)).toEqual({ zone, unknown });
  });
  it('a day and a year of business begin in the shown zone', () => {
    zoneOf({ path: '/', params: new URLSearchParams('timezone=utc') });
    expect(aheadOf(Date.now())).toBe(0);
    expect(range('now/d', 'now').from.toISOString()).toBe('2026-01-14T00:00:00.000Z');
    expect(resolve({ from: 'now/fy', to: 'now' }, 9).from.toISOString()).toBe('2025-10-01T00:00:00.000Z');
  });
  it('steps no finer than scrapes, and as many as there are pixels', () => {
    expect(stepOf(range('now-1h', 'now'), 800)).toBe(15);
    expect(stepOf(range('now-7d', 'now'), 800)).toBe(1800);
    expect(stepOf(range('now-1h', 'now'), 800, { interval: '>2m' })).toBe(120);
    expect(stepOf(range('now-1h', 'now'), 800, { maxDataPoints: 60, interval: '$x' })).toBe(60);
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
  });
  it('makes a row of each series', () => {
    const frame = tableFrame('A', [{ metric: { a: '1' }, value: [5, '2'] }, { metric: { b: '3' }, value: [5, '4'] }]);
    expect(frame.fields.map((f) => f.name)).toEqual(['Time', 'a', 'b', 'Value']);
    expect(frame.length).toBe(2);
    expect(Array.from(frame.fields[1].values)).toEqual(['1', '']);
    expect(tableFrame('A', [{ metric: {}, value: [5, '2'] }], 'Value #A').fields.map((f) => f.name)).toEqual(['Time', 'Value #A']);
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
  it('overrides what a panel draws of a field, by its name, by a pattern, by its query', () => {
    const frames = rangeFrames('A', [{ metric: { x: 'a' }, values: [[0, '1']] }, { metric: { x: 'b' }, values: [[0, '2']] }], '{{x}}', 0, 0, 15);
    const of = (matcher: any, id: string, value: any) => withConfig(frames, { defaults: { custom: { fillOpacity: 8 } }, overrides: [{ matcher, properties: [{ id, value }] }] } as any, createTheme())
      .map((f) => f.fields[1].config);
    const [a, b] = of({ id: 'byName', options: 'b' }, 'custom.lineStyle.fill', 'dash');
    expect(a.custom).toEqual({ fillOpacity: 8 });
    expect(b.custom).toEqual({ fillOpacity: 8, lineStyle: { fill: 'dash' } });
    expect(of({ id: 'byRegexp', options: '/^[ab]$/' }, 'unit', 's').map((c) => c.unit)).toEqual(['s', 's']);
    expect(of({ id: 'byFrameRefID', options: 'A' }, 'unit', 's').map((c) => c.unit)).toEqual(['s', 's']);
    expect(of({ id: 'gone', options: 'A' }, 'unit', 's').map((c) => c.unit)).toEqual([undefined, undefined]);
  });
  it('colours words, which have no unit', () => {
    const frames = [tableFrame('A', [{ metric: { state: 'firing' }, value: [5, '2'] }])];
    const config: any = { defaults: { unit: 'short' }, overrides: [{ matcher: { id: 'byName', options: 'state' }, properties: [
      { id: 'mappings', value: [{ type: 'value', options: { firing: { text: 'it fires', color: 'red' } } }] }] }] };
    const field = withConfig(frames, config, createTheme())[0].fields[1];
    expect(field.display!('firing')).toMatchObject({ text: 'it fires', color: '#F2495C' });
    expect(field.config.unit).toBeUndefined();
  });
  it('shows what the legend has chosen', () => {
    const frames = withConfig(rangeFrames('A', ['a', 'b'].map((x) => ({ metric: { x }, values: [] })), '{{x}}', 0, 0, 15), { defaults: {}, overrides: [] }, createTheme());
    expect(hideOthers(frames, ['b']).map((f) => f.fields[1].config.custom.hideFrom?.viz)).toEqual([true, undefined]);
    expect(hideOthers(frames, undefined)).toBe(frames);
  });
  it('tells buckets apart that Prometheus adds up', () => {
    const of = (le: string, ...v: string[]) => ({ metric: { le }, values: v.map((x, i): [number, string] => [i * 15, x]) });
    const frames = bucketFrames(rangeFrames('A', [of('+Inf', '9', '9'), of('0.1', '2', '3'), of('1', '5', '4')], '{{le}}', 0, 15, 15));
    expect(frames.map((f) => [f.name, ...f.fields[1].values])).toEqual([['0.1', 2, 3], ['1', 3, 1], ['+Inf', 4, 5]]);
  });
  it('transforms as Grafana does, and refuses what it does not know', async () => {
    const frames = [tableFrame('A', [{ metric: { a: 'x', b: 'y' }, value: [5, '2'] }])];
    const panel = { transformations: [{ id: 'organize', options: { excludeByName: { Time: true, b: true }, renameByName: { a: 'Name' }, indexByName: { Value: 0, a: 1 } } }, { id: 'gone', disabled: true }] };
    const [frame] = await transform(panel, frames, (t) => t);
    expect(frame.fields.map((f) => f.config.displayName ?? f.name)).toEqual(['Value', 'Name']);
    await expect(transform({ transformations: [{ id: 'gone' }] }, frames, (t) => t)).rejects.toThrow('transformation “gone”');
  });
});

describe('layout', () => {
  const panel = (id: number, x: number, y: number, more: any = {}) => ({ id, gridPos: { x, y, w: 12, h: 8 }, ...more });
  const row = (y: number, more: any = {}) => ({ type: 'row', title: 'Row', gridPos: { x: 0, y, w: 24, h: 1 }, panels: [], ...more });
  const v = variable({ name: 'node', options: ['a', 'b', 'c'], value: ['$__all'] });
  const said = (all: ReturnType<typeof layout>) => all.map((p) => `${p.panel.id ?? 'row'}@${p.place.x},${p.place.y} ${p.place.w}x${p.place.h}${p.at === undefined ? '' : ' #' + p.at}`);
  const saved = (_: string, closed: boolean) => closed;

  it('leaves panels where they are', () => {
    expect(said(layout({ panels: [panel(1, 0, 0), panel(2, 12, 0), row(8), panel(3, 0, 9)] }, [], saved))).toEqual(['1@0,0 12x8 #0', '2@12,0 12x8 #1', 'row@0,8 24x1', '3@0,9 12x8 #2']);
  });
  it('opens and closes rows', () => {
    const board = { panels: [panel(1, 0, 0), row(8, { collapsed: true, panels: [panel(2, 0, 9)] }), row(9), panel(3, 0, 10)] };
    expect(said(layout(board, [], saved))).toEqual(['1@0,0 12x8 #0', 'row@0,8 24x1', 'row@0,9 24x1', '3@0,10 12x8 #2']);
    expect(said(layout(board, [], () => false))).toEqual(['1@0,0 12x8 #0', 'row@0,8 24x1', '2@0,9 12x8 #1', 'row@0,17 24x1', '3@0,18 12x8 #2']);
    expect(said(layout(board, [], () => true))).toEqual(['1@0,0 12x8 #0', 'row@0,8 24x1', 'row@0,9 24x1']);
  });
  it('repeats panels across, and moves what is below down', () => {
    const all = layout({ panels: [panel(1, 0, 0, { repeat: 'node', maxPerRow: 2 }), panel(2, 0, 8)] }, [v], saved);
    expect(said(all)).toEqual(['1@0,0 12x8 #0', '1@12,0 12x8', '1@0,8 12x8', '2@0,16 12x8 #1']);
    expect(all.slice(0, 3).map((p) => interpolate('$node', p.variables))).toEqual(['a', 'b', 'c']);
  });
  it('repeats panels down, and rows', () => {
    expect(said(layout({ panels: [panel(1, 0, 0, { repeat: 'node', repeatDirection: 'v' })] }, [v], saved))).toEqual(['1@0,0 12x8 #0', '1@0,8 12x8', '1@0,16 12x8']);
    const all = layout({ panels: [row(0, { title: 'Node $node', repeat: 'node' }), panel(1, 0, 1)] }, [{ ...v, value: ['a', 'b'] }], saved);
    expect(said(all)).toEqual(['row@0,0 24x1', '1@0,1 12x8 #0', 'row@0,9 24x1', '1@0,10 12x8']);
    expect(all.filter((p) => p.panel.type === 'row').map((p) => p.panel.title)).toEqual(['Node a', 'Node b']);
  });
  it('shows once what repeats for nothing', () => {
    expect(said(layout({ panels: [panel(1, 0, 0, { repeat: 'gone' })] }, [], saved))).toEqual(['1@0,0 12x8 #0']);
    expect(said(layout({ panels: [panel(1, 0, 0, { repeat: 'node' })] }, [{ ...v, options: [] }], saved))).toEqual(['1@0,0 12x8 #0']);
  });
});

describe('data sources', () => {
  const all = [{ uid: 'p', name: 'Prometheus', type: 'prometheus', isDefault: true }, { uid: 'e', name: 'Logs', type: 'elasticsearch' }];
  it.each([
    [{ type: 'prometheus', uid: 'p' }, 'p'], [{ type: 'elasticsearch', uid: '${ds}' }, 'e'], ['Logs', 'e'], [null, 'p'], ['${DS_IMPORTED}', 'p'],
    [{ type: 'elasticsearch', uid: 'of another house' }, 'e'], ['-- Mixed --', 'p'],
  ])('%j is %s', (named, uid) => expect(sourceOf(named, all, [variable({ name: 'ds', value: ['e'] })]).uid).toBe(uid));
  it('refuses what is not there', () => {
    expect(() => sourceOf({ type: 'loki', uid: 'x' }, all, [])).toThrow('type “loki”');
    expect(() => sourceOf('Tempo', all, [])).toThrow('no data source “Tempo”');
  });
  it('is chosen by a variable, from those that there are', () => {
    const of = (current: any, params = '') => variablesOf({ templating: { list: [{ name: 'ds', type: 'datasource', query: 'elasticsearch', current }] } }, new URLSearchParams(params), all)[0];
    expect(of({ value: 'default' })).toMatchObject({ value: ['e'], options: ['e'] });
    expect(of({ value: 'Logs' }).value).toEqual(['e']);
    expect(of({ value: 'e' }).value).toEqual(['e']);
    expect(of({}, 'var-ds=x').value).toEqual(['x']);
  });
});

describe('kinds of variables', () => {
  const of = (v: any) => variablesOf({ templating: { list: [{ name: 'v', ...v }] } }, new URLSearchParams())[0];
  it.each([
    [{ type: 'custom', query: 'a, One : 1' }, ['a', '1'], ['a']],
    [{ type: 'custom', query: 'a,b', includeAll: true }, ['a', 'b'], ['$__all']],
    [{ type: 'interval', query: '1m,5m' }, ['1m', '5m'], ['1m']],
    [{ type: 'textbox', query: 'x' }, ['x'], ['x']],
    [{ type: 'constant', query: 'x' }, ['x'], ['x']],
    [{ type: 'query', query: 'label_values(x)' }, [], ['$__all']],
  ])('%j', (v, options, value) => expect(of(v)).toMatchObject({ options, value }));
  it('takes a group of a regular expression as the value', () => {
    expect(filtered(['up{pod="a"} 1', 'up{pod="b"} 1', 'x'], '/pod="([^"]+)"/')).toEqual(['a', 'b']);
    expect(filtered(['a1', 'b1'], 'a.*')).toEqual(['a1']);
    expect(filtered(['a'], undefined)).toEqual(['a']);
  });
  it('follows the range where it is to', () => {
    expect(interpolate('[$v]', [variable({ name: 'v', value: ['$__auto_interval_v'] })], { __interval: '30s' })).toBe('[30s]');
  });
});

describe('words', () => {
  it('are dark enough to be read', () => {
    const light = createTheme({ colors: { mode: 'light' } });
    expect(legible('#FF780A', light)).not.toBe('#FF780A');
    expect(legible('#111111', light)).toBe('#111111');
  });
  it("leave Grafana's variables as long as they are", () => {
    expect(plain('rate(x[$__rate_interval])')).toBe('rate(x[000000000000001m])'.replace('000000000000001m', '1m'.padStart(16, '0')));
    expect(plain('${__range_s}')).toBe('1'.padStart(12, '0'));
    expect(plain('a$b')).toBe('a$b');
  });
  it('are those of Slack', () => {
    expect(mrkdwn('*It is down* see <https://x/y|Runbook>, 2*3').map((p: any) => p.props?.children ?? p)).toEqual(['', 'It is down', ' see ', 'Runbook', ', 2*3']);
  });
  it('are round times below a chart', () => {
    expect(ticksOf(1768392061000, 1768392361000, 6).map((t) => t % 60_000)).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('silences', () => {
  it.each([
    ['alertname="X", layer=~"a|b"', '[["alertname","X",false,true],["layer","a|b",true,true]]'],
    ['{a!="x",b!~"y",}', '[["a","x",false,false],["b","y",true,false]]'],
    ['a=x', '[["a","x",false,true]]'],
    [String.raw`a="q\"c,d"`, String.raw`[["a","q\"c,d",false,true]]`],
  ])('reads %s', (text, want) => {
    const all = parseMatchers(text);
    expect(JSON.stringify(all.map((m) => [m.name, m.value, m.isRegex, m.isEqual]))).toBe(want);
    expect(parseMatchers(formatMatchers(all))).toEqual(all);
  });
  it.each([['', 'needs a matcher'], ['{}', 'needs a matcher'], ['a', 'no matcher: a'], ['a="x" b="y"', 'no matcher: a="x" b="y"']])('refuses %s', (text, want) => {
    expect(() => parseMatchers(text)).toThrow(want);
  });
});

describe('log levels', () => {
  it.each([['FATAL', 'critical'], ['Error', 'error'], ['warn', 'warning'], ['INFO', 'info'], ['debug', 'debug'], ['', 'unknown'], [undefined, 'unknown'], ['loud', 'unknown']])('%s is %s', (word, name) => {
    expect(levelOf(word).name).toBe(name);
  });
});

describe('counts of log lines', () => {
  afterEach(() => { vi.unstubAllGlobals(); });
  it('asks by group and over time', async () => {
    let asked: any;
    vi.stubGlobal('fetch', async (_: string, init: any) => {
      asked = JSON.parse(init.body);
      return new Response(JSON.stringify({ aggregations: { by_level: { buckets: [{ key: 'ERROR', over: { buckets: [{ key: 61_000, doc_count: 3, 2: { value: 7 } }] } }] } } }));
    });
    const target = { timeField: '@timestamp', metrics: [{ id: '1', type: 'count' }, { id: '2', type: 'max', field: 'took' }],
      bucketAggs: [{ type: 'terms', field: 'level' }, { type: 'date_histogram', field: '@timestamp' }] };
    const got = await countLogs('e', target, '', 0, 120_000, 60, (t) => t);
    expect(got).toEqual([
      { metric: { level: 'ERROR' }, name: 'ERROR Count', values: [[60, '3']] }, { metric: { level: 'ERROR' }, name: 'ERROR max took', values: [[60, '7']] },
    ]);
    expect(asked.aggs.by_level.aggs.over.date_histogram.fixed_interval).toBe('60s');
    expect(asked.aggs.by_level.aggs.over.aggs).toEqual({ 2: { max: { field: 'took' } } });
  });
  it.each([[{ metrics: [{ id: '1', type: 'percentiles' }] }, 'does not compute “percentiles”'], [{ metrics: [], bucketAggs: [{ type: 'geohash_grid' }] }, 'does not group log lines by “geohash_grid”']])('refuses %j', async (target, want) => {
    await expect(countLogs('e', target, '', 0, 1, 15, (t) => t)).rejects.toThrow(want);
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
    const traces = JSON.stringify({ x: { datasource: 'j', queries: [{ datasource: { type: 'jaeger' }, query: 'abc' }] } });
    expect(fromPanes(route(traces))).toMatchObject({ kind: 'traces', trace: 'abc' });
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
    expect(tree(trace).map(({ span: s, depth, children }) => `${s.spanID}${depth}${children}`)).toEqual(['orphan00', 'a02', 'b11', 'c20', 'd10', 'self00']);
  });
  it('flattens documents', () => {
    expect(flatten({ a: { b: 1, c: null }, tags: ['x', 'y'] })).toEqual([['a.b', '1'], ['a.c', 'null'], ['tags', 'x, y']]);
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
    const search = JSON.stringify({ size: 10, query: { bool: { filter: [{ range: {} }, { query_string: { query: 'level:ERROR' } }] } } });
    expect(answer(p, '/proxy/logs-*/_search', search, params)).toMatchObject({ hits: { total: { value: 1 } } });
    expect(answer(p, '/api/dashboards/uid/x', '', params)).toMatchObject({ dashboard: { title: 'X' } });
    expect(answer(p, '/api/search?type=dash-db', '', new URLSearchParams('of=base'))).toEqual([]);
    expect(answer(p, '/api/v1/label/service/values', '', params)).toEqual({ data: [] });
    expect(answer(p, '/api/datasources', '', params)).toMatchObject([{ type: 'prometheus' }, { type: 'elasticsearch' }]);
    expect(answer(p, '/api/status', '', params)).toBeUndefined();
  });
  it('says what it has not', () => {
    expect(() => answer(p, '/api/v1/query', form({ query: 'down' }), params)).toThrow('no answer to this query: down');
    expect(() => answer(p, '/api/v1/query', form({ query: 'rat(' }), params)).toThrow('parse error');
    expect(() => answer(p, '/api/dashboards/uid/x', '', new URLSearchParams('of=base'))).toThrow('no such dashboard');
  });
});
