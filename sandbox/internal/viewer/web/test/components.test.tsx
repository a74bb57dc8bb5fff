import { createTheme } from '@grafana/data';
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Alerts } from '../src/Alerts';
import { App } from '../src/App';
import { rangeFrames, tableFrame, withConfig } from '../src/frames';
import { later } from '../src/later';
import { renderToStaticMarkup } from '../src/lean/markup';
import { useMarkdown } from '../src/markdown';
import { Panel } from '../src/Panel';
import { LogRows } from '../src/panels/Logs';
import { Dial, Rows } from '../src/panels/Values';
import { resolve } from '../src/time';
import { VariablePicker } from '../src/VariablePicker';

const theme = createTheme();
const range = resolve({ from: 'now-1h', to: 'now' });

/** Answers requests by the end of their path; whatever else is asked for is a 404 in Grafana's words. */
function serve(answers: Record<string, unknown>) {
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (path: string, init?: RequestInit) => {
    asked.push(`${path} ${String(init?.body ?? '')}`);
    const found = Object.entries({ '/api/datasources': sources, ...answers }).find(([end]) => path.split('?')[0].endsWith(end));
    return found ? new Response(JSON.stringify(found[1])) : new Response('{"message":"not here"}', { status: 404 });
  });
  return asked;
}

beforeEach(() => { vi.stubGlobal('scrollTo', () => undefined); });
afterEach(() => { cleanup(); vi.unstubAllGlobals(); });

const props = { range, variables: [], width: 400, height: 200, theme, onZoom: () => undefined };
const metrics = { type: 'prometheus', uid: 'prometheus' };
const sources = [{ uid: 'prometheus', name: 'Prometheus', type: 'prometheus', isDefault: true }];

describe('Panel', () => {
  it('shows the labels of series as a table', async () => {
    const asked = serve({ '/api/v1/query': { data: { resultType: 'vector', result: [{ metric: { alertname: 'FlinkJobDown', alertstate: 'firing', job: 'x' }, value: [1, '1'] }] } } });
    const panel = { id: 1, type: 'table', title: 'Alerts', datasource: metrics, targets: [{ refId: 'A', expr: 'ALERTS', instant: true, format: 'table' }],
      fieldConfig: { defaults: {}, overrides: [{ matcher: { id: 'byName', options: 'alertstate' }, properties: [
        { id: 'mappings', value: [{ type: 'value', options: { firing: { color: 'red' } } }] }, { id: 'custom.cellOptions', value: { type: 'color-text' } }] }] },
      transformations: [{ id: 'organize', options: { excludeByName: { Time: true, Value: true, job: true } } }] };
    render(<Panel panel={panel} {...props} />);
    expect((await screen.findByText('firing')).style.color).toBe('rgb(242, 73, 92)');
    expect(screen.getByText('FlinkJobDown')).toBeTruthy();
    expect(screen.queryByText('x')).toBeNull();
    expect(screen.getAllByRole('columnheader').map((h) => h.textContent)).toEqual(['alertname', 'alertstate']);
    expect(asked.some((a) => a.includes('query=ALERTS'))).toBe(true);
  });
  it('says why it is empty', async () => {
    serve({ '/api/v1/query_range': { data: { resultType: 'matrix', result: [] } } });
    render(<Panel panel={{ id: 1, type: 'stat', title: 'T', datasource: metrics, targets: [{ refId: 'A', expr: 'up' }], fieldConfig: { defaults: { noValue: 'All is well.' } } }} {...props} />);
    expect(await screen.findByText('All is well.')).toBeTruthy();
  });
  it('says what a data source refuses', async () => {
    serve({});
    const { container } = render(<Panel panel={{ id: 1, type: 'stat', title: 'T', datasource: metrics, targets: [{ refId: 'A', expr: 'up' }] }} {...props} />);
    await waitFor(() => expect(container.querySelector('[data-state="Error"]')?.getAttribute('data-error')).toBe('not here'));
  });
  it('says which panels it does not draw', async () => {
    serve({ '/api/v1/query_range': { data: { resultType: 'matrix', result: [{ metric: {}, values: [[Math.floor(range.from.valueOf() / 15000) * 15, '1']] }] } } });
    render(<Panel panel={{ id: 1, type: 'candlestick', title: 'T', datasource: metrics, targets: [{ refId: 'A', expr: 'up' }] }} {...props} />);
    expect(await screen.findByText(/does not draw panels of type “candlestick”/)).toBeTruthy();
  });
  it('leads to the log lines of its services', async () => {
    serve({ '/api/v1/query_range': { data: { resultType: 'matrix', result: [{ metric: { service: 'flink' }, values: [[Math.floor(range.from.valueOf() / 15000) * 15, '1']] }] } } });
    render(<Panel panel={{ id: 1, type: 'text', title: 'T', datasource: metrics, targets: [{ refId: 'A', expr: 'up' }], options: { content: 'c' },
      fieldConfig: { defaults: { links: [{ title: 'Log lines of ${__field.labels.service}', url: '/explore?x=${__field.labels.service}' }] } } }} {...props} />);
    expect((await screen.findByText('Log lines of flink')).getAttribute('href')).toBe('/explore?x=flink');
    expect(screen.getByLabelText('Links of T')).toBeTruthy();
  });
});

describe('values', () => {
  it('has a dial that is read out', () => {
    const frames = withConfig(rangeFrames('A', [{ metric: {}, values: [[0, '0.25']] }], 'used', 0, 0, 15), { defaults: { unit: 'percentunit', max: 1 }, overrides: [] } as any, theme);
    render(<Dial panel={{ fieldConfig: { defaults: { unit: 'percentunit', max: 1 }, overrides: [] } }} frames={frames} width={100} height={100} theme={theme} fill={(t) => t} />);
    expect(screen.getByRole('img').getAttribute('aria-label')).toBe('used: 25%');
  });
  it('shows nothing of no table', () => {
    const { container } = render(<Rows panel={{}} frames={[]} height={10} theme={theme} />);
    expect(container.textContent).toBe('');
    render(<Rows panel={{}} frames={[tableFrame('A', [{ metric: { a: 'b' }, value: [0, '1'] }])]} height={10} theme={theme} />);
    expect(screen.getByText('b')).toBeTruthy();
  });
});

describe('LogRows', () => {
  const lines = [{ id: '1', index: 'logs-storage', source: { '@timestamp': '2026-01-14T13:00:00Z', level: 'ERROR', service: 'storage-router', message: 'timed out', trace_id: 'abc', k: { v: 1 } } }];
  it('opens to the fields of a line, and to its trace', () => {
    const filter = vi.fn(), exclude = vi.fn();
    render(<LogRows lines={lines} onFilter={filter} onExclude={exclude} />);
    const line = screen.getByRole('button', { expanded: false });
    fireEvent.click(line);
    expect(screen.getByRole('button', { expanded: true })).toBe(line);
    expect(screen.getByRole('link', { name: 'Open the trace' }).getAttribute('href')).toBe('/explore?kind=traces&trace=abc');
    expect(screen.getByRole('rowheader', { name: 'k.v' })).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Only lines with this level' }));
    expect(filter).toHaveBeenCalledWith('level', 'ERROR');
    fireEvent.click(screen.getByRole('button', { name: 'No lines with this service' }));
    expect(exclude).toHaveBeenCalledWith('service', 'storage-router');
    expect(screen.getByText('ERROR', { selector: '.log-level' }).className).toContain('level-error');
    fireEvent.click(line);
    expect(screen.queryByRole('link', { name: 'Open the trace' })).toBeNull();
  });
});

describe('VariablePicker', () => {
  it('chooses several values, and tells when it is done', () => {
    const changed = vi.fn();
    render(<VariablePicker of={{ name: 's', label: 'Service', kind: 'query', options: ['a', 'b'], value: ['$__all'], multi: true, includeAll: true }} onChange={changed} />);
    const button = screen.getByRole('button', { name: 'Service All' });
    fireEvent.click(button);
    fireEvent.click(screen.getByRole('checkbox', { name: 'a' }));
    fireEvent.click(screen.getByRole('checkbox', { name: 'b' }));
    expect(changed).not.toHaveBeenCalled();
    fireEvent.keyDown(button, { key: 'Escape' });
    expect(changed).toHaveBeenCalledWith(['a', 'b']);
  });
  it('takes nothing as all', () => {
    const changed = vi.fn();
    render(<VariablePicker of={{ name: 's', label: 'Service', kind: 'query', options: ['a'], value: ['a'], multi: true, includeAll: true }} onChange={changed} />);
    fireEvent.click(screen.getByRole('button', { name: 'Service a' }));
    fireEvent.click(screen.getByRole('checkbox', { name: 'a' }));
    fireEvent.pointerDown(document.body);
    expect(changed).toHaveBeenCalledWith(['$__all']);
  });
});

describe('Alerts', () => {
  const labels = { alertname: 'FlinkJobDown', layer: 'processing' };
  const silence = { id: 's1', status: { state: 'active' }, matchers: [{ name: 'a', value: 'b', isRegex: false, isEqual: true }], endsAt: '2026-01-14T13:00:00Z', comment: 'known', createdBy: 'me' };
  it('shows rules, silences an alert, and ends a silence', async () => {
    const asked: string[] = [];
    const answers: Record<string, unknown> = {
      '/api/status': { at: '', components: [], alerts: [], notifications: [] },
      '/api/v1/rules': { data: { groups: [{ name: 'g', rules: [
        { name: 'Quiet', state: 'inactive', query: 'up == 0', duration: 60, health: 'ok', labels: {}, annotations: {}, alerts: [] },
        { name: 'FlinkJobDown', state: 'firing', query: 'up < 1', duration: 60, health: 'ok', labels: {}, annotations: {}, alerts: [{ labels, annotations: { description: 'It is down.' }, state: 'firing', activeAt: '2026-01-14T13:00:00Z', value: '0' }] },
      ] }] } },
      '/api/v2/alerts': [{ fingerprint: 'f', labels, annotations: {}, startsAt: '2026-01-14T13:00:00Z', status: { state: 'active', silencedBy: [], inhibitedBy: [] }, receivers: [{ name: 'slack' }] }],
      '/api/v2/silences': [silence, { ...silence, id: 's2', status: { state: 'expired' } }],
      '/api/v2/silence/s1': {},
    };
    vi.stubGlobal('fetch', async (path: string, init?: RequestInit) => {
      asked.push(`${init?.method ?? 'GET'} ${path} ${String(init?.body ?? '')}`);
      const found = Object.entries(answers).find(([end]) => path.split('?')[0].endsWith(end));
      return new Response(JSON.stringify(found ? found[1] : { message: 'no' }), { status: found ? 200 : 404 });
    });
    render(<Alerts />);
    expect((await screen.findAllByText('FlinkJobDown', { selector: 'summary strong' })).length).toBe(1);
    fireEvent.click(screen.getByRole('button', { name: 'firing 1' }));
    expect(screen.queryByText('Quiet')).toBeNull();
    expect(screen.getByText(/It is down/)).toBeTruthy();
    fireEvent.click(await screen.findByRole('button', { name: 'Silence FlinkJobDown' }));
    expect((screen.getByLabelText('Alerts with') as HTMLTextAreaElement).value).toBe('alertname="FlinkJobDown", layer="processing"');
    fireEvent.change(screen.getByLabelText('Alerts with'), { target: { value: 'layer' } });
    fireEvent.click(screen.getByRole('button', { name: 'Silence' }));
    expect((await screen.findByRole('alert')).textContent).toContain('This is no matcher: layer');
    fireEvent.change(screen.getByLabelText('Alerts with'), { target: { value: 'layer=~"proc.*"' } });
    fireEvent.click(screen.getByRole('button', { name: 'Silence' }));
    await waitFor(() => expect(asked.find((a) => a.startsWith('POST'))).toContain('"name":"layer","value":"proc.*","isEqual":true,"isRegex":true'));
    await waitFor(() => expect(screen.queryByLabelText('Alerts with')).toBeNull());
    fireEvent.click(screen.getByRole('button', { name: 'End it' }));
    await waitFor(() => expect(asked.some((a) => a.startsWith('DELETE') && a.includes('/silence/s1'))).toBe(true));
    expect(screen.getByText('1 that have ended')).toBeTruthy();
  });
});

describe('App', () => {
  it('has pages and dashboards, and says which is shown', async () => {
    serve({ '/api/search': [{ uid: 'overview', title: 'Overview', url: '/d/overview', tags: [] }] });
    history.replaceState(null, '', '/nowhere');
    const other = vi.fn();
    render(<App theme={theme} onTheme={other} />);
    expect(await screen.findByRole('link', { name: 'Overview' })).toBeTruthy();
    expect(screen.getByRole('navigation', { name: 'Pages' })).toBeTruthy();
    expect(screen.getByRole('alert').textContent).toContain('There is no page /nowhere');
    expect(screen.getByRole('link', { name: 'Skip to the content' }).getAttribute('href')).toBe('#main');
    fireEvent.click(screen.getByRole('button', { name: /colours/ }));
    expect(other).toHaveBeenCalled();
    fireEvent.click(screen.getByRole('link', { name: 'Overview' }));
    await waitFor(() => expect(screen.getByRole('link', { name: 'Overview' }).getAttribute('aria-current')).toBe('page'));
    expect((await screen.findByRole('alert')).textContent).toBe('not here');
  });
});

it('descriptions are Markdown, without what would run', async () => {
  let html: (() => string) | undefined;
  const Described = ({ text }: { text?: string }) => { html = useMarkdown(text); return null; };
  const { rerender } = render(<Described />);
  expect(html).toBeUndefined();
  rerender(<Described text={'See **the runbook**.<img src="x" onerror="alert(1)">'} />);
  await waitFor(() => expect(html!()).toContain('<strong>the runbook</strong>'));
  expect(html!()).not.toContain('onerror');
});

describe('later', () => {
  it('fetches the code at the first sign of somebody, once, and draws it at once then', async () => {
    const fetch = vi.fn(async () => () => <button type="button">here</button>);
    const Later = later(fetch);
    expect(fetch).not.toHaveBeenCalled();
    fireEvent.pointerMove(window);
    fireEvent.keyDown(window);
    expect(fetch).toHaveBeenCalledOnce();
    await Promise.resolve().then(() => undefined);
    render(<Later />);
    expect(screen.getByText('here').tagName).toBe('BUTTON');
    expect(document.activeElement).toBe(document.body);
  });

  it('takes the focus when what is drawn comes late', async () => {
    const Later = later(async () => () => <button type="button">here</button>);
    render(<Later />);
    expect(screen.queryByText('here')).toBeNull();
    await waitFor(() => expect(document.activeElement).toBe(screen.getByText('here')));
  });
});

it('truncated texts have the words of their children', () => {
  expect(renderToStaticMarkup(<>one <b>{2}{' '}{null}<i>three</i></b></>)).toBe('one 2 three');
});
