import { preview } from './preview';

// What a page asks for first, asked before the code that will show it has run.

export const paths = {
  dashboards: '/api/search?type=dash-db',
  dashboard: (uid: string) => '/api/dashboards/uid/' + encodeURIComponent(uid),
  sources: '/api/datasources',
};

const begun = new Map<string, Promise<Response>>();

/** The answer that is already on its way, for the first who asks for it. */
export function early(path: string): Promise<Response> | undefined {
  const answer = begun.get(path);
  begun.delete(path);
  return answer;
}

function begin(path: string) {
  const answer = fetch(path);
  answer.catch(() => undefined); // who asks for it is told
  begun.set(path, answer);
}

if (!preview && import.meta.env.MODE !== 'test') {
  begin(paths.dashboards);
  const uid = /^\/d\/([\w-]+)/.exec(location.pathname)?.[1];
  if (uid) {
    begin(paths.dashboard(uid));
    begin(paths.sources);
  }
}
