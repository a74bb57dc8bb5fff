import type { TimeRange } from '@grafana/data';
import { RefreshPicker, TimeRangePicker } from '@grafana/ui';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { navigate, withParams, type Route } from './route';
import { rangeOf, rangeParams, resolve } from './time';
import type { Zone } from './zone';

/** The month that a year of business starts with, from 0, as an address says. */
const fiscalStart = (route: Route) => Number(route.params.get('fiscalYearStartMonth') ?? 0);

/** The time range of the address in a zone, which refresh() lets move on; seconds() of the address's refresh interval do so by themselves. */
export function useRange(route: Route, zone: Zone, fallback: any, every: string, asked?: URLSearchParams) {
  const fiscal = fiscalStart(route);
  const params = (asked ?? route.params).toString();
  const wanted = useMemo(() => rangeOf(asked ?? route.params, fallback, fiscal), [params, fallback, zone, fiscal]); // eslint-disable-line
  const [range, setRange] = useState(wanted);
  useEffect(() => setRange(wanted), [wanted]);
  const refresh = useCallback(() => setRange((r) => resolve(r.raw, fiscal)), [fiscal, zone]); // eslint-disable-line
  useEffect(() => {
    const [, n, unit] = /^(\d+)([smh])$/.exec(every) ?? [];
    if (!n) {
      return;
    }
    const timer = setInterval(() => document.visibilityState === 'visible' && refresh(), Number(n) * { s: 1000, m: 60_000, h: 3_600_000 }[unit as 's']!);
    return () => clearInterval(timer);
  }, [every, refresh]);
  return { range, refresh };
}

/** How often pages may ask anew. */
const intervals = ['5s', '10s', '30s', '1m', '5m'];

/** The time range and how often it moves on, as at the top of Grafana's pages. */
export function TimeControls({ route, zone, unknown, range, refresh, every, change }: {
  route: Route; zone: Zone; unknown?: string; range: TimeRange; refresh(): void; every: string; change(range: { from: string; to: string }): void;
}) {
  const length = range.to.valueOf() - range.from.valueOf();
  const to = (from: number, till: number) => change({ from: String(Math.round(from)), to: String(Math.round(till)) });
  return (
    <>
      {unknown && <span className="quiet">Times are the browser&#39;s: those of {unknown} are not known here, only UTC is.</span>}
      <TimeRangePicker
        value={range} timeZone={zone} onChange={(r) => change(rangeParams(r))} fiscalYearStartMonth={fiscalStart(route)}
        onChangeTimeZone={(z) => navigate(withParams(route, { timezone: z === 'utc' ? 'utc' : 'browser' }))}
        onChangeFiscalYearStartMonth={(m) => navigate(withParams(route, { fiscalYearStartMonth: String(m) }))}
        onMoveBackward={() => to(range.from.valueOf() - length / 2, range.to.valueOf() - length / 2)}
        onMoveForward={() => to(range.from.valueOf() + length / 2, range.to.valueOf() + length / 2)}
        onZoom={() => to(range.from.valueOf() - length / 2, range.to.valueOf() + length / 2)}
      />
      <RefreshPicker tooltip="Refresh" value="" noIntervalPicker onRefresh={refresh} onIntervalChanged={() => undefined} />
      <select aria-label="Refresh every" value={every} onChange={(e) => navigate(withParams(route, { refresh: e.target.value }), true)}>
        <option value="">Off</option>
        {[...new Set([...intervals, ...(every ? [every] : [])])].map((i) => <option key={i}>{i}</option>)}
      </select>
    </>
  );
}
