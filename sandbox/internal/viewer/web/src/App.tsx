import type { GrafanaTheme2 } from '@grafana/data';
import { Component, lazy, Suspense, useEffect, useState, type ReactNode } from 'react';
import { listDashboards, type DashboardHit } from './api';
import { Alerts } from './Alerts';
import { Dashboard } from './Dashboard';
import { preview, sceneOf, versionOf } from './preview';
import { go, navigate, useRoute, withParams, type Route } from './route';
import { StatusPage } from './StatusPage';
import { zoneOf } from './zone';

const Explore = lazy(() => import('./explore/Explore').then((m) => ({ default: m.Explore })));

export function App({ theme, onTheme }: { theme: GrafanaTheme2; onTheme(): void }) {
  const route = useRoute();
  zoneOf(route);
  const [boards, setBoards] = useState<DashboardHit[]>([]);
  const [problem, setProblem] = useState<string>();
  const version = preview && versionOf(preview, route.params).name;
  const shown = preview && `${version} ${sceneOf(preview, route.params).name}`;
  useEffect(() => {
    listDashboards().then((all) => { setBoards(all); setProblem(undefined); }, (e) => { setBoards([]); setProblem(e.message); });
  }, [version]);
  useEffect(() => {
    if (preview && route.path === '/' && boards.length > 0) {
      navigate(withParams({ ...route, path: '/d/' + boards[0].uid }, {}), true);
    }
  }, [route, boards]);
  useEffect(() => {
    const uid = /^\/d\/([^/]+)/.exec(route.path)?.[1];
    const page = boards.find((b) => b.uid === uid)?.title ?? (route.path === '/' ? 'Status' : route.path.slice(1, 2).toUpperCase() + route.path.slice(2));
    document.title = `${page} – obsandbox`;
  }, [route.path, boards]);
  // From one page to the next, people stay at the time they look at.
  const times = new URLSearchParams([...route.params].filter(([k]) => ['from', 'to', 'refresh', 'timezone', 'fiscalYearStartMonth'].includes(k))).toString();
  const kept = times && '?' + times;
  const item = (href: string, name: string, here: boolean) => (
    <li key={href}><a href={preview ? withParams({ ...route, path: href }, {}) : href + kept} aria-current={here ? 'page' : undefined} onClick={go}>{name}</a></li>
  );
  return (
    <div className="app">
      <a className="skip" href="#main">Skip to the content</a>
      <nav aria-label="Pages">
        <p className="brand">obsandbox</p>
        {preview ? <Choices route={route} /> : (
          <ul>
            {item('/', 'Status', route.path === '/')}
            {item('/alerting', 'Alerts', route.path === '/alerting')}
            {item('/explore', 'Explore', route.path === '/explore')}
          </ul>
        )}
        <h2>Dashboards</h2>
        <ul>{boards.map((b) => item('/d/' + b.uid, b.title, route.path === '/d/' + b.uid))}</ul>
        {problem && <p role="alert" className="problem">{problem}</p>}
        <button type="button" className="link theme" onClick={onTheme}>{theme.isDark ? 'Light' : 'Dark'} colours</button>
      </nav>
      <main id="main" tabIndex={-1} data-shown={shown && `${shown} ${decodeURIComponent(route.path)}`}>
        <Boundary key={`${route.path} ${shown ?? ''}`}>
          <Suspense fallback={<p className="quiet">Loading…</p>}>{page(route, theme)}</Suspense>
        </Boundary>
      </main>
    </div>
  );
}

function page(route: Route, theme: GrafanaTheme2): ReactNode {
  const board = /^\/d\/([^/]+)/.exec(route.path);
  if (board) {
    return <Dashboard uid={decodeURIComponent(board[1])} route={route} theme={theme} />;
  }
  switch (route.path) {
    case '/':
      return <StatusPage />;
    case '/alerting':
      return <Alerts />;
    case '/explore':
      return <Explore route={route} theme={theme} />;
  }
  return <p role="alert" className="problem">There is no page {route.path}.</p>;
}

/** What a preview shows: which data, and which version of the dashboards. */
function Choices({ route }: { route: Route }) {
  const choice = (label: string, param: string, all: Array<{ name: string; title: string }>, value: string) => all.length > 1 && (
    <label className="choice">
      {label}
      <select value={value} onChange={(e) => navigate(withParams(route, { [param]: e.target.value }))}>
        {all.map((o) => <option key={o.name} value={o.name}>{o.title}</option>)}
      </select>
    </label>
  );
  return (
    <>
      {choice('Data', 'data', preview!.scenes, sceneOf(preview!, route.params).name)}
      {choice('Version', 'of', preview!.versions, versionOf(preview!, route.params).name)}
    </>
  );
}

/** Keeps a fault of one page from taking the others away, and says what it was. */
class Boundary extends Component<{ children: ReactNode }, { error?: Error }> {
  state: { error?: Error } = {};
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  render() {
    return this.state.error
      ? <p role="alert" className="problem">This page has failed: {this.state.error.message}</p>
      : this.props.children;
  }
}
