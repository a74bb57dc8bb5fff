import { createTheme } from '@grafana/data';
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { App } from '../src/App';
import { rangeFrames, tableFrame, withConfig } from '../src/frames';
import { Panel } from '../src/Panel';
import { LogRows } from '../src/panels/Logs';
import { Dial, Rows } from '../src/panels/Values';
import { resolve } from '../src/time';

const theme = createTheme();
const range = resolve({ from: 'now-1h', to: 'now' });

/** Answers requests by the end of their path; whatever else is asked for is a 404 in Grafana's words. */
function serve(answers: Record<string, unknown>) {
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (path: string, init?: RequestInit) => {
    asked.push(`${path} ${String(init?.body ?? '')}`);
    const found = Object.entries(answers).find(([end]) => path.split('?')[0].endsWith(end));
    return found ? new Response(JSON.stringify(found[1])) : new Response('{"message":"not here"}', { status: 404 });
  });
  return asked;
}

beforeEach(() => { vi.stubGlobal('scrollTo', () => undefined); });
afterEach(() => { cleanup(); vi.unstubAllGlobals(); });

const props = { range, variables: [], width: 400, height: 200, theme, onZoom: () => undefined };
const metrics = { type: 'prometheus', uid: 'prometheus' };

describe('Panel', () => {
  it('shows the labels of series as a table', async () => {
    const asked = serve({ '/api/v1/query': { data: { resultType: 'vector', result: [{ metric: { alertname: 'FlinkJobDown', alertstate: 'firing', job: 'x' }, value: [1, '1'] }] } } });
    const panel = { id: 1, type: 'table', title: 'Alerts', datasource: metrics, targets: [{ refId: 'A', expr: 'ALERTS', instant: true, format: 'table' }],
      transformations: [{ id: 'organize', options: { excludeByName: { Time: true, Value: true, job: true } } }] };
    render(<Panel panel={panel} {...props} />);
    expect((await screen.findByText('firing')).className).toBe('firing');
    expect(screen.getByText('FlinkJobDown')).toBeTruthy();
    expect(screen.queryByText('x')).toBeNull();
    expect(screen.getAllByRole('columnheader').map((h) => h.textContent)).toEqual(['alertname', 'alertstate']);
    expect(asked[0]).toContain('query=ALERTS');
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
    serve({ '/api/v1/query_range': { data: { resultType: 'matrix', result: [{ metric: {}, values: [[1, '1']] }] } } });
    render(<Panel panel={{ id: 1, type: 'heatmap', title: 'T', datasource: metrics, targets: [{ refId: 'A', expr: 'up' }] }} {...props} />);
    expect(await screen.findByText(/does not draw panels of type “heatmap”/)).toBeTruthy();
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
    render(<Dial panel={{}} frames={frames} width={100} height={100} theme={theme} />);
    expect(screen.getByRole('img').getAttribute('aria-label')).toBe('used: 25%');
  });
  it('shows nothing of no table', () => {
    const { container } = render(<Rows panel={{}} frames={[]} height={10} />);
    expect(container.textContent).toBe('');
    render(<Rows panel={{}} frames={[tableFrame('A', [{ metric: { a: 'b' }, value: [0, '1'] }])]} height={10} />);
    expect(screen.getByText('b')).toBeTruthy();
  });
});

describe('LogRows', () => {
  const lines = [{ id: '1', index: 'logs-storage', source: { '@timestamp': '2026-01-14T13:00:00Z', level: 'ERROR', service: 'storage-router', message: 'timed out', trace_id: 'abc', k: { v: 1 } } }];
  it('opens to the fields of a line, and to its trace', () => {
    const filter = vi.fn();
    render(<LogRows lines={lines} onFilter={filter} />);
    const line = screen.getByRole('button', { expanded: false });
    fireEvent.click(line);
    expect(screen.getByRole('button', { expanded: true })).toBe(line);
    expect(screen.getByText('abc').getAttribute('href')).toBe('/explore?kind=traces&trace=abc');
    expect(screen.getByRole('rowheader', { name: 'k.v' })).toBeTruthy();
    fireEvent.click(screen.getAllByText('filter for value')[1]);
    expect(filter).toHaveBeenCalledWith('level', 'ERROR');
    expect(screen.getByRole('listitem').className).toContain('level-error');
    fireEvent.click(line);
    expect(screen.queryByText('abc')).toBeNull();
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
