// A dashboard's variables, and putting their values into texts as Grafana does.

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
  datasource?: string;
}

const reference = /\$\{(\w+)((?:\.[^:}]+)?)(?::([^}]*))?\}|\$(\w+)|\[\[(\w+)(?::([^\]]*))?\]\]/g;

export const ALL = '$__all';

/** The variables of a dashboard with the values of the address, else those that are saved in it. */
export function variablesOf(dashboard: any, params: URLSearchParams): Variable[] {
  return (dashboard.templating?.list ?? []).map((v: any): Variable => {
    const saved = v.current?.value;
    const chosen = params.getAll('var-' + v.name);
    return {
      name: v.name,
      label: v.label || v.name,
      kind: v.type,
      options: v.type === 'datasource' ? [v.query] : (v.options ?? []).map((o: any) => String(o.value)).filter((o: string) => o !== ALL),
      value: chosen.length > 0 ? chosen : saved === undefined ? [ALL] : [saved].flat().map(String),
      multi: !!v.multi,
      includeAll: !!v.includeAll,
      allValue: v.allValue || undefined,
      query: typeof v.query === 'string' ? v.query : v.query?.query,
      datasource: v.datasource?.uid,
    };
  });
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
