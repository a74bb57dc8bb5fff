// A dashboard's variables, and putting their values into texts as Grafana does.
import type { Source } from './sources';

export interface Variable {
  name: string;
  label: string;
  kind: string;
  /** What can be chosen; for data sources their uids. */
  options: string[];
  /** What is chosen; ['$__all'] for all. */
  value: string[];
  multi: boolean;
  includeAll: boolean;
  allValue?: string;
  query?: string;
  regex?: string;
  datasource?: string;
  /** Not offered on the page. */
  hidden?: boolean;
}

const reference = /\$\{(\w+)((?:\.[^:}]+)?)(?::([^}]*))?\}|\$(\w+)|\[\[(\w+)(?::([^\]]*))?\]\]/g;

export const ALL = '$__all';

/** The variables of a dashboard with the values of the address, else those that are saved in it. */
export function variablesOf(dashboard: any, params: URLSearchParams, sources: Source[] = []): Variable[] {
  return (dashboard.templating?.list ?? []).map((v: any): Variable => {
    const saved = [v.current?.value ?? []].flat().map(String);
    const chosen = params.getAll('var-' + v.name);
    const query: string | undefined = typeof v.query === 'string' ? v.query : v.query?.query;
    const options = optionsOf(v, query, sources);
    let value = chosen.length > 0 ? chosen : saved;
    if (value.length === 0) {
      value = v.includeAll || v.type === 'query' ? [ALL] : options.slice(0, 1);
    }
    if (v.type === 'datasource' && sources.length > 0 && chosen.length === 0 && !value.every((o) => options.includes(o))) {
      value = sources.filter((s) => s.type === query && value.includes(s.name)).map((s) => s.uid);
      value = value.length > 0 ? value : options.slice(0, 1);
    }
    return {
      name: v.name,
      label: v.label || v.name,
      kind: v.type,
      hidden: v.hide === 2 || v.type === 'constant',
      options,
      value,
      multi: !!v.multi,
      includeAll: !!v.includeAll,
      allValue: v.allValue || undefined,
      query,
      regex: v.regex || undefined,
      datasource: v.datasource?.uid ?? v.datasource ?? undefined,
    };
  });
}

/** What can be chosen, as far as the dashboard itself says so. */
function optionsOf(v: any, query: string | undefined, sources: Source[]): string[] {
  if (v.type === 'datasource') {
    return sources.length > 0 ? sources.filter((s) => s.type === query).map((s) => s.uid) : [query ?? ''];
  }
  const saved = (v.options ?? []).map((o: any) => String(o.value)).filter((o: string) => o !== ALL);
  if (saved.length > 0 || !query || !['custom', 'interval', 'constant', 'textbox'].includes(v.type)) {
    return saved;
  }
  // "text : value, text : value"
  return ['constant', 'textbox'].includes(v.type) ? [query] : query.split(',').map((o) => o.replace(/^.+ : /, '').trim());
}

/** Filters and cuts what a query has found, as the variable's regular expression says: its first group is the value. */
export function filtered(found: string[], regex: string | undefined): string[] {
  if (!regex) {
    return found;
  }
  const [, body, flags] = /^\/(.*)\/([a-z]*)$/s.exec(regex) ?? [undefined, `^${regex}$`, ''];
  const r = new RegExp(body, flags.replace('g', ''));
  return [...new Set(found.flatMap((text) => { const m = r.exec(text); return m ? [m.groups?.value ?? m[1] ?? text] : []; }))];
}

const escapeRegex = (s: string) => s.replace(/[\\^$*+?.()|[\]{}/]/g, '\\\\$&');

/** What a variable stands for in a PromQL or Lucene query. */
export function format(values: string[], how?: string): string {
  switch (how) {
    case 'percentencode':
      return encodeURIComponent(values.length === 1 ? values[0] : `{${values.join(',')}}`);
    case 'csv':
      return values.join(',');
    case 'raw':
      return values.join(',');
    case 'pipe':
      return values.join('|');
    case 'lucene':
      return values.length === 1 ? `"${values[0]}"` : `(${values.map((v) => `"${v}"`).join(' OR ')})`;
  }
  if (values.length === 1) {
    return values[0];
  }
  return `(${values.map(escapeRegex).join('|')})`;
}

/** Puts values in the place of variables; scope holds Grafana's own ones ($__rate_interval, $__from …). Unknown ones stay. */
export function interpolate(text: string, variables: Variable[], scope: Record<string, string> = {}): string {
  return text.replace(reference, (whole, braced, path, how1, plain, square, how2) => {
    const name = braced ?? plain ?? square;
    const how = how1 ?? how2;
    const scoped = scope[name + (path ?? '')];
    if (scoped !== undefined) {
      return format([scoped], how);
    }
    const v = variables.find((x) => x.name === name);
    if (!v) {
      return whole;
    }
    if (v.value.length === 1 && v.value[0].startsWith('$__auto')) {
      return scope.__interval ?? '15s';
    }
    if (v.value.includes(ALL)) {
      return v.allValue ?? format(v.options.length > 0 ? v.options : ['.+'], how);
    }
    return format(v.value, how);
  });
}

/** The parts of a query such as label_values(up{job="x"}, service). */
export function labelQuery(query: string): { label: string; match?: string } | undefined {
  const m = /^label_values\(\s*(?:(.+?)\s*,\s*)?(\w+)\s*\)$/s.exec(query.trim());
  return m ? { match: m[1], label: m[2] } : undefined;
}
