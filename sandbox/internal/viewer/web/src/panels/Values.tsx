import {
  colorManipulator, FieldType, formattedValueToString, getDisplayValueAlignmentFactors, getFieldDisplayValues, VizOrientation,
  type DataFrame, type DisplayValue, type DisplayValueAlignmentFactors, type FieldDisplay, type GrafanaTheme2, getTimeZone,
} from '@grafana/data';
import {
  BarGauge, BigValue, BigValueColorMode, BigValueGraphMode, BigValueJustifyMode, BigValueTextMode, VizRepeater, type VizRepeaterRenderValueProps,
} from '@grafana/ui';
import { useState } from 'react';

interface Props {
  panel: any;
  frames: DataFrame[];
  width: number;
  height: number;
  theme: GrafanaTheme2;
  fill(text: string): string;
}

/** The values that a panel reduces its series to, as Grafana computes them. */
function reduced({ panel, frames, theme, fill }: Props, sparkline = false): FieldDisplay[] {
  const reduceOptions = { calcs: ['lastNotNull'], values: false, ...panel.options?.reduceOptions };
  return getFieldDisplayValues({
    data: frames, reduceOptions, fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] }, replaceVariables: fill, theme, sparkline, timeZone: getTimeZone(),
  });
}

type Drawn = VizRepeaterRenderValueProps<FieldDisplay, DisplayValueAlignmentFactors>;

/** One value beside or below another, arranged as Grafana does. */
function Each({ all, draw, grid, spacing, most, ...props }: Props & {
  all: FieldDisplay[]; draw(at: Drawn): React.JSX.Element; grid?: boolean; spacing: number; most?: number;
}) {
  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors>
      getValues={() => all} source={all} renderCounter={0} renderValue={draw} width={props.width} height={props.height} autoGrid={grid}
      orientation={props.panel.options?.orientation || VizOrientation.Auto} itemSpacing={spacing} minVizHeight={grid ? undefined : 16} minVizWidth={grid ? undefined : 8} maxVizHeight={most}
      getAlignmentFactors={(values) => getDisplayValueAlignmentFactors(values)}
    />
  );
}

/** The value of each series, with its course behind it. */
export function Stat(props: Props) {
  const { panel: { options = {} }, theme } = props;
  const graph = options.graphMode ?? BigValueGraphMode.Area;
  return (
    <Each
      {...props} grid spacing={3} all={reduced(props, graph !== BigValueGraphMode.None)}
      draw={({ value, width, height, count, alignmentFactors }) => (
        <BigValue
          theme={theme} width={width} height={height} value={value.display} count={count} sparkline={value.sparkline} alignmentFactors={alignmentFactors}
          graphMode={graph} colorMode={options.colorMode ?? BigValueColorMode.Value} justifyMode={options.justifyMode ?? BigValueJustifyMode.Auto}
          textMode={options.textMode ?? BigValueTextMode.Auto} text={options.text}
        />
      )}
    />
  );
}

/** The value of each series as a bar on a scale. */
export function Bars(props: Props) {
  const { panel: { options = {} }, theme } = props;
  const spacing = options.displayMode === 'lcd' ? 2 : 10;
  return (
    <Each
      {...props} spacing={spacing} all={reduced(props)} most={options.maxVizHeight ?? 300}
      draw={({ value, width, height, orientation, count, alignmentFactors }) => (
        <BarGauge
          theme={theme} width={width} height={height} field={value.field} display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)} value={value.display}
          orientation={orientation} displayMode={options.displayMode ?? 'gradient'} showUnfilled={options.showUnfilled ?? true} itemSpacing={spacing}
          alignmentFactors={count > 1 ? alignmentFactors : undefined} valueDisplayMode={options.valueMode} namePlacement={options.namePlacement} text={options.text}
        />
      )}
    />
  );
}

/** The value of each series on a dial, in the manner of Grafana's gauge. */
export function Dial(props: Props) {
  const { theme } = props;
  return (
    <Each
      {...props} spacing={8} all={reduced(props)}
      draw={({ value: { display, field }, width, height, count }) => {
        const named = count > 1 || display.title;
        const size = Math.max(20, Math.min(width, (height - (named ? 20 : 0)) / 0.86));
        const min = field.min ?? 0, max = field.max ?? 100;
        const share = Number.isNaN(display.numeric) ? 0 : Math.min(1, Math.max(0, (display.numeric - min) / (max - min || 1)));
        const point = (s: number, r: number) => {
          const angle = Math.PI * (1.25 - 1.5 * s);
          return `${50 + r * Math.cos(angle)} ${50 - r * Math.sin(angle)}`;
        };
        const arc = (from: number, to: number, r: number) => `M ${point(from, r)} A ${r} ${r} 0 ${to - from > 2 / 3 ? 1 : 0} 1 ${point(to, r)}`;
        const steps = (field.thresholds?.steps ?? []).map((s) => ({ ...s, at: Math.min(1, Math.max(0, ((s.value ?? -Infinity) - min) / (max - min || 1))) }));
        const text = formattedValueToString(display);
        return (
          <div className="dial" style={{ width, height }}>
            <svg viewBox="0 0 100 86" width={size} height={size * 0.86} role="img" aria-label={`${display.title ?? ''}: ${text}`}>
              {steps.map((s, i) => (
                <path key={i} d={arc(s.at, i + 1 < steps.length ? steps[i + 1].at : 0.9999, 47)} fill="none" stroke={theme.visualization.getColorByName(s.color)} strokeWidth={2} />
              ))}
              <path d={arc(0, 0.9999, 38)} fill="none" stroke={theme.colors.background.secondary} strokeWidth={13} />
              <path d={arc(0, Math.max(0.0001, share), 38)} fill="none" stroke={display.color} strokeWidth={13} />
              <text x="50" y="55" textAnchor="middle" fontSize={Math.min(16, 84 / Math.max(4, text.length))} fontWeight="500" fill={display.color}>{text}</text>
            </svg>
            {named && <div className="dial-name" title={display.title}>{display.title}</div>}
          </div>
        );
      }}
    />
  );
}

/** The share that each series has of all. */
export function Pie(props: Props) {
  const { panel: { options = {} }, width, height, theme } = props;
  const all = reduced(props).filter((v) => v.display.numeric > 0);
  const total = all.reduce((sum, v) => sum + v.display.numeric, 0);
  const side = width > 1.6 * height ? Math.min(height, width * 0.5) : Math.min(width, height * 0.65);
  const inner = options.pieType === 'donut' ? 26 : 0;
  let at = 0;
  const point = (share: number, r: number) => `${50 + r * Math.sin(2 * Math.PI * share)} ${50 - r * Math.cos(2 * Math.PI * share)}`;
  return (
    <div className="pie" style={{ flexDirection: width > 1.6 * height ? 'row' : 'column' }}>
      <svg viewBox="0 0 100 100" width={side} height={side} role="img" aria-label={all.map((v) => `${v.display.title}: ${formattedValueToString(v.display)}`).join(', ')}>
        {all.map((v, i) => {
          const from = at, to = (at += v.display.numeric / total);
          const end = to - from > 0.9999 ? from + 0.9999 : to, large = end - from > 0.5 ? 1 : 0;
          return (
            <path
              key={i} fill={v.display.color} stroke={theme.colors.background.primary} strokeWidth={0.5}
              d={`M ${point(from, 48)} A 48 48 0 ${large} 1 ${point(end, 48)} L ${point(end, inner)} A ${inner} ${inner} 0 ${large} 0 ${point(from, inner)} Z`}
            >
              <title>{`${v.display.title}: ${formattedValueToString(v.display)} (${((100 * v.display.numeric) / total).toFixed(0)} %)`}</title>
            </path>
          );
        })}
      </svg>
      <ul>{all.map((v, i) => <li key={i}><span className="swatch" style={{ background: v.display.color }} />{v.display.title} <b>{formattedValueToString(v.display)}</b></li>)}</ul>
    </div>
  );
}

/** A colour for words: darker where the page is light, until it can be read (WCAG AA). */
export function legible(color: string, theme: GrafanaTheme2): string {
  let out = color;
  for (let i = 0; i < 10 && colorManipulator.getContrastRatio(out, theme.colors.background.primary) < 4.5; i++) {
    out = theme.isDark ? colorManipulator.lighten(out, 0.1) : colorManipulator.darken(out, 0.1);
  }
  return out;
}

/** Rows and columns: a table that a screen reader can read. */
export function Rows({ panel, frames, height, theme }: Pick<Props, 'panel' | 'frames' | 'height' | 'theme'>) {
  const [chosen, choose] = useState(0);
  const frame = frames[Math.min(chosen, frames.length - 1)];
  if (!frame) {
    return null;
  }
  const fields = frame.fields.filter((f) => !f.config.custom?.hidden && !f.config.custom?.hideFrom?.viz);
  const name = (i: number) => fields[i].config.displayName || fields[i].name;
  let rows = Array.from({ length: frame.length }, (_, i) => i);
  for (const by of [...(panel.options?.sortBy ?? [])].reverse()) {
    const values = fields.find((_, i) => name(i) === by.displayName)?.values ?? [];
    rows = [...rows].sort((a, b) => (values[a] < values[b] ? -1 : values[a] > values[b] ? 1 : 0) * (by.desc ? -1 : 1));
  }
  const style = (shown: DisplayValue | undefined, kind: string | undefined) => (!shown?.color ? undefined
    : kind === 'color-text' ? { color: legible(shown.color, theme) } : kind === 'color-background' ? { background: shown.color, color: theme.colors.getContrastText(shown.color, 4.5) } : undefined);
  return (
    <div className="scroll" style={{ height }} tabIndex={0} role="region" aria-label={panel.title}>
      {frames.length > 1 && (
        <select aria-label="Which data" value={chosen} onChange={(e) => choose(Number(e.target.value))}>
          {frames.map((f, i) => <option key={i} value={i}>{f.name ?? f.refId ?? i}</option>)}
        </select>
      )}
      <table className="rows">
        <thead><tr>{fields.map((f, i) => <th key={i} scope="col" className={f.type === FieldType.number ? 'number' : undefined}>{name(i)}</th>)}</tr></thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row}>
              {fields.map((f, i) => {
                const shown = f.display?.(f.values[row]);
                const kind = f.config.custom?.cellOptions?.type ?? f.config.custom?.displayMode;
                return (
                  <td key={i} className={f.type === FieldType.number ? 'number' : undefined} style={style(shown, kind)}>
                    {shown ? formattedValueToString(shown) : String(f.values[row] ?? '')}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
