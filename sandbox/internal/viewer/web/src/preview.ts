// The pages without a server: a preview holds dashboards and what their queries answered, in one file. Here its answers
// take the place of the network, its address that of the page, and its moment that of the clock.

interface Series { m: Record<string, string>; v: Array<number | string | null> }
interface Answers {
  range: Record<string, Series[]>; instant: Record<string, Series[]>; logs: Record<string, any[]>; errors: Record<string, string>;
}
export interface Preview {
  /** The moment that is shown, and the first and the step of what is recorded, in milliseconds. */
  now: number; from: number; step: number;
  scenes: Array<{ name: string; title: string; answers: Answers }>;
  versions: Array<{ name: string; title: string; dashboards: any[] }>;
  icons: Record<string, string>;
}

export const preview: Preview | undefined = (window as any).obsandboxPreview;

/** The parameters of a preview's address: which scene and which version are shown, and in which colours. */
export function previewParams(hash = location.hash): URLSearchParams {
  return new URLSearchParams(hash.split('?')[1] ?? '');
}

const chosen = <T extends { name: string }>(all: T[], name: string | null): T => all.find((x) => x.name === name) ?? all[0];

export const sceneOf = (p: Preview, params = previewParams()) => chosen(p.scenes, params.get('data'));
export const versionOf = (p: Preview, params = previewParams()) => chosen(p.versions, params.get('of'));

class Refused extends Error {}

/** The values of recorded series at the times that are asked for: the last one recorded, if it is no older than a step. */
export function resample(p: Preview, all: Series[], from: number, to: number, step: number) {
  return all.map(({ m, v }) => {
    const values: Array<[number, string]> = [];
    for (let t = from; t <= to + 1e-6; t += step) {
      const at = v[Math.floor((t * 1000 - p.from) / p.step + 1e-6)];
      if (at !== null && at !== undefined) {
        values.push([t, String(at)]);
      }
    }
    return { metric: m, values };
  });
}

/** What the server would have answered; undefined for what is not part of a preview. */
export function answer(p: Preview, path: string, body: string, params = previewParams()): unknown {
  const { answers } = sceneOf(p, params);
  const boards = versionOf(p, params).dashboards;
  const found = <T>(kind: Record<string, T>, query: string): T => {
    if (answers.errors[query]) {
      throw new Refused(answers.errors[query]);
    }
    if (!(query in kind)) {
      throw new Refused('The preview has no answer to this query: ' + query);
    }
    return kind[query];
  };
  const form = new URLSearchParams(body);
  const query = form.get('query') ?? '';
  if (path.startsWith('/api/search')) {
    return boards.map((b) => ({ uid: b.uid, title: b.title, url: '/d/' + b.uid, tags: b.tags ?? [] }));
  }
  if (path.startsWith('/api/datasources') && !path.includes('/proxy/')) {
    return [{ uid: 'prometheus', name: 'Prometheus', type: 'prometheus', isDefault: true }, { uid: 'elasticsearch', name: 'Elasticsearch', type: 'elasticsearch' }];
  }
  const uid = /^\/api\/dashboards\/uid\/([^/?]+)/.exec(path)?.[1];
  if (uid) {
    const dashboard = boards.find((b) => b.uid === decodeURIComponent(uid));
    if (!dashboard) {
      throw new Refused('This version has no such dashboard.');
    }
    return { dashboard };
  }
  if (path.endsWith('/api/v1/query_range')) {
    const [from, to, step] = ['start', 'end', 'step'].map((k) => Number(form.get(k)));
    return { data: { resultType: 'matrix', result: resample(p, found(answers.range, query), from, to, step) } };
  }
  if (path.endsWith('/api/v1/query')) {
    const result = found(answers.instant, query).map(({ m, v }) => ({ metric: m, value: [p.now / 1000, String(v[0])] }));
    return { data: { resultType: 'vector', result } };
  }
  if (path.includes('/api/v1/label/')) {
    return { data: [] };
  }
  if (path.includes('/_search')) {
    if (!JSON.parse(body).size) {
      throw new Refused('A preview does not count log lines.');
    }
    const text = JSON.parse(body).query.bool.filter.find((f: any) => f.query_string).query_string.query;
    const hits = found(answers.logs, text === '*' && !('*' in answers.logs) ? '' : text)
      .map((source, i) => ({ _id: String(i), _index: 'preview', _source: source }));
    return { hits: { total: { value: hits.length }, hits } };
  }
  return undefined;
}

/** Puts a preview in the place of the network and the clock. */
export function install(p: Preview) {
  Date.now = () => p.now;
  window.fetch = async (input, init) => {
    const path = typeof input === 'string' ? input : input instanceof URL ? input.href : input.url;
    const icon = /\/icons\/(.+)\.svg/.exec(path)?.[1];
    if (icon) {
      return new Response(p.icons[icon] ?? '<svg xmlns="http://www.w3.org/2000/svg"/>', { headers: { 'Content-Type': 'image/svg+xml' } });
    }
    try {
      const value = answer(p, path, String(init?.body ?? ''));
      return value === undefined
        ? new Response(JSON.stringify({ message: 'Not part of a preview.' }), { status: 404 })
        : new Response(JSON.stringify(value));
    } catch (e) {
      return new Response(JSON.stringify({ message: (e as Error).message }), { status: 400 });
    }
  };
}

if (preview) {
  install(preview);
}
