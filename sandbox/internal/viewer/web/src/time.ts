import { dateMath, dateTime, getTimeZone, rangeUtil, type RawTimeRange, type TimeRange } from '@grafana/data';
import { aheadOf } from './zone';

/** The range of an address: ?from=now-1h&to=now, in Grafana's words or milliseconds. */
export function rangeOf(params: URLSearchParams, fallback: RawTimeRange = { from: 'now-1h', to: 'now' }, fiscalYearStartMonth = 0): TimeRange {
  const raw = { from: words(params.get('from')) ?? String(fallback.from), to: words(params.get('to')) ?? String(fallback.to) };
  return resolve(raw, fiscalYearStartMonth);
}

function words(text: string | null): string | undefined {
  if (!text) {
    return undefined;
  }
  return /^\d+$/.test(text) ? new Date(Number(text)).toISOString() : text;
}

/** Gives "now" its present meaning, and days and years theirs in the shown zone. */
export function resolve(raw: RawTimeRange, fiscalYearStartMonth = 0): TimeRange {
  const where = { timezone: getTimeZone(), fiscalYearStartMonth };
  const from = dateMath.toDateTime(raw.from, { ...where, roundUp: false });
  const to = dateMath.toDateTime(raw.to, { ...where, roundUp: true });
  if (!from?.isValid() || !to?.isValid() || !from.isBefore(to)) {
    const now = dateTime();
    return { from: dateTime(now.valueOf() - 3_600_000), to: now, raw: { from: 'now-1h', to: 'now' } };
  }
  return { from, to, raw };
}

/** How an address says a range. */
export function rangeParams(range: TimeRange): { from: string; to: string } {
  const say = (v: RawTimeRange['from']) => (typeof v === 'string' ? v : String(v.valueOf()));
  return { from: say(range.raw.from), to: say(range.raw.to) };
}

/** A panel's step in seconds: as many points as it has pixels or wants, but no more than there are scrapes, nor finer than it says. */
export function stepOf(range: TimeRange, width: number, panel: any = {}, scrape = 15): number {
  const points = panel.maxDataPoints ?? Math.max(100, width / 2);
  const ms = rangeUtil.roundInterval((range.to.valueOf() - range.from.valueOf()) / points);
  return Math.max(scrape, seconds(panel.interval), Math.ceil(ms / 1000));
}

/** A length of time such as "30s" or ">1m"; 0 for none. */
function seconds(text: unknown): number {
  const plain = typeof text === 'string' ? text.replace(/^>/, '') : '';
  return plain && !plain.includes('$') ? rangeUtil.intervalToSeconds(plain) : 0;
}

/** Grafana's rule for $__rate_interval: four scrapes, and at least the step and one. */
export const rateInterval = (step: number, scrape = 15) => Math.max(step + scrape, 4 * scrape);

/** Round times within a range, in milliseconds, about as many as that. */
export function ticksOf(from: number, to: number, about: number): number[] {
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800]
    .map((s) => s * 1000).find((s) => (to - from) / s <= about) ?? 2_592_000_000;
  const shift = -aheadOf(from);
  const out: number[] = [];
  for (let t = Math.ceil((from - shift) / step) * step + shift; t <= to; t += step) {
    out.push(t);
  }
  return out;
}
