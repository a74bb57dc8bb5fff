import { dateTimeFormat, formattedValueToString, getValueFormat, type DataFrame, type GrafanaTheme2, type TimeRange } from '@grafana/data';

import { ticksOf } from '../time';

interface Props { panel: any; frames: DataFrame[]; range: TimeRange; width: number; height: number; theme: GrafanaTheme2 }

const left = 64, bottom = 20, top = 6;

/** How much is in each bucket over time: a row for each bucket, darker or brighter the more there is. */
export function Heatmap({ panel, frames, range, width, height, theme }: Props) {
  const from = range.from.valueOf(), to = range.to.valueOf();
  const rows = frames.filter((f) => f.fields.length > 1);
  const most = Math.max(...rows.flatMap((f) => f.fields[1].values.map((v: number | null) => v ?? 0)), 1e-9);
  const unit = getValueFormat(panel.options?.yAxis?.unit || panel.fieldConfig?.defaults?.unit || 'short');
  const w = width - left - 8, h = (height - bottom - top) / Math.max(1, rows.length);
  const x = (t: number) => left + ((t - from) / (to - from)) * w;
  const name = (f: DataFrame) => { const le = Number(f.fields[1].labels?.le); return Number.isFinite(le) ? formattedValueToString(unit(le)) : f.fields[1].labels?.le ?? f.name ?? ''; };
  const every = Math.max(1, Math.ceil(rows.length / Math.max(1, Math.floor((height - bottom) / 18))));
  const ticks = ticksOf(from, to, Math.max(2, Math.floor(w / 90)));
  return (
    <svg width={width} height={height} role="img" aria-label={`${panel.title}: how much is in each of ${rows.length} buckets over time`} fontSize={12} fill={theme.colors.text.primary}>
      {rows.map((f, row) => {
        const times = f.fields[0].values, step = times.length > 1 ? times[1] - times[0] : 15_000;
        const y = top + (rows.length - 1 - row) * h;
        return (
          <g key={row}>
            {row % every === 0 && <text x={left - 6} y={y + h / 2 + 4} textAnchor="end">{name(f)}</text>}
            {f.fields[1].values.map((v: number | null, i: number) => (v ? (
              <rect key={i} x={x(times[i])} y={y} width={Math.max(1, (step / (to - from)) * w)} height={Math.max(1, h - 0.5)} fill={shade(v / most)}>
                <title>{`${dateTimeFormat(times[i])}, up to ${name(f)}: ${v.toPrecision(3)}`}</title>
              </rect>
            ) : null))}
          </g>
        );
      })}
      {ticks.map((t) => <text key={t} x={x(t)} y={height - 4} textAnchor="middle">{dateTimeFormat(t, { format: 'HH:mm' })}</text>)}
    </svg>
  );
}

/** From dark blue over orange to yellow, as Grafana's default scheme. */
const shade = (share: number) => `hsl(${260 - 215 * Math.sqrt(share)} 85% ${22 + 45 * Math.sqrt(share)}%)`;
