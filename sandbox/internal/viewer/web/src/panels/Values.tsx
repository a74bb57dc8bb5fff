import { formattedValueToString, getDisplayProcessor, VizOrientation, type DataFrame, type Field, type GrafanaTheme2 } from '@grafana/data';
import { BarGauge, BigValue, BigValueColorMode, BigValueGraphMode, BigValueJustifyMode, BigValueTextMode } from '@grafana/ui';
import { BarGaugeNamePlacement } from '@grafana/schema';
import { last } from '../frames';

interface Props {
  panel: any;
  frames: DataFrame[];
  width: number;
  height: number;
  theme: GrafanaTheme2;
}

const values = (frames: DataFrame[]) =>
  frames.flatMap((frame) => frame.fields.filter((f) => f.type === 'number').map((field) => ({ frame, field })));

const nameOf = (field: Field) => field.state?.displayName ?? field.config.displayNameFromDS ?? field.name;

/** The number of columns that leaves the fewest gaps and makes tiles about twice as wide as high. */
export function columnsFor(n: number, width: number, height: number): number {
  let best = 1, least = Infinity;
  for (let c = 1; c <= n; c++) {
    const rows = Math.ceil(n / c);
    const cost = Math.abs(Math.log(width / c / (height / rows) / 1.8)) + (c * rows - n) / n;
    if (cost < least) {
      best = c;
      least = cost;
    }
  }
  return best;
}

/** The present value of each series, with its course behind it. */
export function Stat({ panel, frames, width, height, theme }: Props) {
  const all = values(frames);
  if (all.length === 0) {
    return null;
  }
  const columns = columnsFor(all.length, width, height);
  const rows = Math.ceil(all.length / columns);
  const w = Math.floor(width / columns) - 4, h = Math.floor(height / rows) - 4;
  const options = panel.options ?? {};
  return (
    <div className="tiles" style={{ gridTemplateColumns: `repeat(${columns}, 1fr)` }}>
      {all.map(({ field, frame }, i) => {
        const display = (field.display ?? getDisplayProcessor({ field, theme }))(last(field));
        const time = frame.fields.find((f) => f.type === 'time');
        return (
          <BigValue
            key={i} theme={theme} width={w} height={h}
            value={{ ...display, title: nameOf(field) }}
            sparkline={options.graphMode === BigValueGraphMode.Area && field.values.length > 2
              ? ({ y: field, x: time } as any) : undefined}
            graphMode={options.graphMode ?? BigValueGraphMode.None}
            colorMode={options.colorMode ?? BigValueColorMode.Value}
            justifyMode={options.justifyMode ?? BigValueJustifyMode.Auto}
            textMode={!options.textMode || options.textMode === BigValueTextMode.Auto
              ? all.length > 1 ? BigValueTextMode.ValueAndName : BigValueTextMode.Value : options.textMode}
          />
        );
      })}
    </div>
  );
}

/** The present value of each series as a bar on a scale. */
export function Bars({ panel, frames, width, height, theme }: Props) {
  const all = values(frames);
  const h = Math.min(60, Math.floor(height / Math.max(1, all.length)) - 6);
  // All bars begin where the longest name ends.
  const longest = (texts: string[]) => texts.reduce((a, b) => (b.length > a.length ? b : a), '');
  const aligned = {
    title: longest(all.map(({ field }) => nameOf(field))),
    text: longest(all.map(({ field }) => formattedValueToString((field.display ?? getDisplayProcessor({ field, theme }))(last(field))))),
  };
  return (
    <div className="bars">
      {all.map(({ field }, i) => {
        const process = field.display ?? getDisplayProcessor({ field, theme });
        return (
          <BarGauge
            key={i} theme={theme} width={width} height={h} field={field.config} display={process}
            value={{ ...process(last(field)), title: nameOf(field) }}
            orientation={VizOrientation.Horizontal} displayMode={panel.options?.displayMode ?? 'basic'} showUnfilled
            alignmentFactors={aligned} namePlacement={aligned.title.length * 8 > width * 0.25 ? BarGaugeNamePlacement.Top : BarGaugeNamePlacement.Auto}
            text={{ titleSize: 14, valueSize: 16 }}
          />
        );
      })}
    </div>
  );
}

/** One value each on a dial. */
export function Dial({ frames, width, height, theme }: Props) {
  const all = values(frames);
  const size = Math.min(width / Math.max(1, all.length), height) - 8;
  return (
    <div className="dials">
      {all.map(({ field }, i) => {
        const v = last(field);
        const display = (field.display ?? getDisplayProcessor({ field, theme }))(v);
        const min = field.config.min ?? 0, max = field.config.max ?? 100;
        const share = v === null ? 0 : Math.min(1, Math.max(0, (v - min) / (max - min || 1)));
        const point = (s: number, r: number) => {
          const angle = Math.PI * (1.25 - 1.5 * s);
          return `${50 + r * Math.cos(angle)} ${50 - r * Math.sin(angle)}`;
        };
        const arc = (to: number) => `M ${point(0, 40)} A 40 40 0 ${to > 2 / 3 ? 1 : 0} 1 ${point(to, 40)}`;
        const text = `${display.prefix ?? ''}${display.text}${display.suffix ?? ''}`;
        return (
          <svg key={i} viewBox="0 0 100 92" width={size} height={size * 0.92} role="img" aria-label={`${nameOf(field)}: ${text}`}>
            <path d={arc(0.9999)} fill="none" stroke={theme.colors.background.secondary} strokeWidth={11} />
            <path d={arc(Math.max(0.0001, share))} fill="none" stroke={display.color} strokeWidth={11} />
            <text x="50" y="55" textAnchor="middle" fontSize="15" fontWeight="600" fill={display.color}>{text}</text>
            <text x="50" y="85" textAnchor="middle" fontSize="8" fill={theme.colors.text.secondary}>{nameOf(field)}</text>
          </svg>
        );
      })}
    </div>
  );
}

/** Rows and columns: a table that a screen reader can read. */
export function Rows({ panel, frames, height }: { panel: any; frames: DataFrame[]; height: number }) {
  const hidden = new Set<string>();
  for (const t of panel.transformations ?? []) {
    if (t.id === 'organize') {
      Object.entries(t.options?.excludeByName ?? {}).forEach(([name, out]) => out && hidden.add(name));
    }
  }
  const frame = frames[0];
  if (!frame) {
    return null;
  }
  const fields = frame.fields.filter((f) => !hidden.has(f.name));
  const show = (f: Field, i: number) => (f.display ? formattedValueToString(f.display(f.values[i])) : String(f.values[i] ?? ''));
  return (
    <div className="scroll" style={{ height }}>
      <table className="rows">
        <thead><tr>{fields.map((f) => <th key={f.name} scope="col">{f.name}</th>)}</tr></thead>
        <tbody>
          {Array.from({ length: frame.length }, (_, i) => (
            <tr key={i}>{fields.map((f) => <td key={f.name} className={f.name === 'alertstate' ? String(f.values[i]) : undefined}>{show(f, i)}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
