import { request } from './api';
import { paths } from './early';
import { interpolate, type Variable } from './variables';

/** A data source of Grafana's provisioning. */
export interface Source { uid: string; name: string; type: string; isDefault?: boolean }

let asked: Promise<Source[]> | undefined;

/** The data sources that there are, asked for once. */
export const listSources = () => (asked ??= request<Source[]>(paths.sources).catch((e) => { asked = undefined; throw e; }));

/** Says where a query goes: to the data source that it or its panel names, by uid, by name or through a variable; else to the default one. */
export function sourceOf(named: any, all: Source[], variables: Variable[]): Source {
  const text = interpolate(typeof named === 'string' ? named : named?.uid ?? '', variables);
  const type = typeof named === 'object' ? named?.type : undefined;
  const fits = all.filter((s) => !type || s.type === type);
  const usual = fits.find((s) => s.isDefault) ?? fits[0];
  const found = all.find((s) => s.uid === text) ?? all.find((s) => s.name === text);
  if (found) {
    return found;
  }
  // Dashboards that were exported for others leave the choice open.
  if (usual && (text === '' || text === 'default' || text === '-- Mixed --' || text.startsWith('$') || type)) {
    return usual;
  }
  throw new Error(type ? `The sandbox cannot ask a data source of type “${type}”.` : `There is no data source “${text}”.`);
}
