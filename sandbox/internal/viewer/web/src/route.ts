import { useEffect, useState, type MouseEvent } from 'react';
import { preview, previewParams } from './preview';

export interface Route { path: string; params: URLSearchParams }

// A preview is one file: its pages are behind the #.
const here = (): Route => (preview
  ? { path: location.hash.slice(1).split('?')[0] || '/', params: previewParams() }
  : { path: location.pathname, params: new URLSearchParams(location.search) });

/** The address, and every change of it. */
export function useRoute(): Route {
  const [route, set] = useState(here);
  useEffect(() => {
    const moved = () => set(here());
    addEventListener('popstate', moved);
    addEventListener('hashchange', moved);
    return () => {
      removeEventListener('popstate', moved);
      removeEventListener('hashchange', moved);
    };
  }, []);
  return route;
}

/** Goes to an address of this page without loading it anew. */
export function navigate(href: string, replace = false) {
  history[replace ? 'replaceState' : 'pushState'](null, '', preview ? '#' + href : href);
  dispatchEvent(new PopStateEvent('popstate'));
}

/** For links: goes there in place, unless people ask for a new tab. */
export function go(e: MouseEvent<HTMLAnchorElement>) {
  if (e.button === 0 && !e.metaKey && !e.ctrlKey && !e.shiftKey && !e.altKey) {
    e.preventDefault();
    navigate(e.currentTarget.getAttribute('href')!);
  }
}

/** The present address with some parameters changed; null takes one away. */
export function withParams(route: Route, changes: Record<string, string | string[] | null>): string {
  const params = new URLSearchParams(route.params);
  for (const [k, v] of Object.entries(changes)) {
    params.delete(k);
    for (const one of v === null ? [] : [v].flat()) {
      params.append(k, one);
    }
  }
  const query = params.toString();
  return route.path + (query ? '?' + query : '');
}
