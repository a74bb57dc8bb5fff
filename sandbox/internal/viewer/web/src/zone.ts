import { getTimeZone, dateTimeForTimeZone, setTimeZoneResolver } from '@grafana/data';
import type { Route } from './route';

/** The zones that times are shown in. The tables of all others would be as large as everything else of a first page. */
export type Zone = 'browser' | 'utc';

/** The zone that an address or else a dashboard asks for, which is that of every time from then on. */
export function zoneOf(route: Route, fallback?: string): { zone: Zone; unknown?: string } {
  const wanted = (route.params.get('timezone') || fallback || 'browser').toLowerCase();
  const zone = wanted === 'utc' || wanted === 'etc/utc' ? 'utc' : 'browser';
  setTimeZoneResolver(() => zone);
  return { zone, unknown: zone === 'browser' && wanted !== 'browser' ? route.params.get('timezone') || fallback : undefined };
}

/** How far the clocks of the shown zone are ahead of UTC at a time; both in milliseconds. */
export const aheadOf = (time: number) => dateTimeForTimeZone(getTimeZone(), time).utcOffset() * 60_000;
