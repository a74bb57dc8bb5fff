import type { DataFrame, TimeRange } from '@grafana/data';
import { PanelContextProvider, TimeSeries, TooltipDisplayMode, type PanelContext, TooltipPlugin2, type UPlotConfigBuilder } from '@grafana/ui';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { dateTimeFormat, EventBusSrv, formattedValueToString, getFieldDisplayName, getDisplayProcessor, getFieldSeriesColor, getTimeZone, type GrafanaTheme2, type Labels } from '@grafana/data';
import { linksOf, type Link } from '../links';
import type { Mark } from '../marks';
import { preview } from '../preview';
import { go } from '../route';
import type { Variable } from '../variables';

interface Props {
  panel: any;
  frames: DataFrame[];
  range: TimeRange;
  variables: Variable[];
  marks: Mark[];
  width: number;
  height: number;
  theme: GrafanaTheme2;
  onZoom(from: number, to: number): void;
}


/** Series over time, drawn by Grafana's own component; the legend shows one series, or several with the control key. */
export function Lines({ panel, frames, range, variables, marks, width, height, theme, onZoom }: Props) {
  const [sorted, setSorted] = useState<{ sortBy?: string; sortDesc?: boolean }>({});
  const [shown, setShown] = useState<string[]>();
  const legend = useMemo(
    () => ({ showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [], ...panel.options?.legend, ...sorted }),
    [panel, sorted]
  );
  const visible = useMemo(() => hideOthers(frames, shown), [frames, shown]);
  const context = useMemo((): PanelContext => ({
    eventBus: bus, eventsScope: 'dashboard',
    onToggleSeriesVisibility: (label, mode) => {
      const names = [label ?? []].flat();
      setShown((now) => (String(mode) === 'append'
        ? [...(now ?? []).filter((n) => !names.includes(n)), ...names.filter((n) => !now?.includes(n))]
        : now?.length === names.length && names.every((n) => now.includes(n)) ? undefined : names));
    },
    onToggleLegendSort: (sortBy) => setSorted((now) => ({ sortBy, sortDesc: now.sortBy === sortBy ? !now.sortDesc : true })),
  }), []);
  const sort = panel.options?.tooltip?.sort;
  return (
    <PanelContextProvider value={context}>
      <TimeSeries frames={visible} timeRange={range} timeZone={getTimeZone()} width={width} height={height} legend={legend as any}>
        {(config: UPlotConfigBuilder, aligned: DataFrame) => (
          <>
            <Marks config={config} marks={marks} />
            <TooltipPlugin2
              config={config}
              hoverMode={panel.options?.tooltip?.mode === TooltipDisplayMode.Single ? 2 : 1}
              queryZoom={({ from, to }: { from: number; to: number }) => onZoom(from, to)}
              render={(_u: any, dataIdxs: Array<number | null>, seriesIdx: number | null, pinned: boolean) => (
                <Hovered frame={aligned} indices={dataIdxs} hovered={seriesIdx} sort={sort} theme={theme} marks={marks} pinned={pinned}
                  links={(labels) => (preview ? [] : linksOf(panel, labels, range, variables))} />
              )}
              maxWidth={480}
            />
          </>
        )}
      </TimeSeries>
    </PanelContextProvider>
  );
}

const bus = new EventBusSrv();

/** Leaves the series of these names in the chart, and the others in the legend alone. */
export function hideOthers(frames: DataFrame[], shown: string[] | undefined): DataFrame[] {
  if (!shown || shown.length === 0) {
    return frames;
  }
  return frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((f) => (f.type === 'number' && !shown.includes(getFieldDisplayName(f, frame, frames))
      ? { ...f, config: { ...f.config, custom: { ...f.config.custom, hideFrom: { ...f.config.custom?.hideFrom, viz: true } } } } : f)),
  }));
}

/** Marks times as Grafana does: a dashed line where something began, a pale area for as long as it was so. */
function Marks({ config, marks }: { config: UPlotConfigBuilder; marks: Mark[] }) {
  const now = useRef(marks);
  const plot = useRef<any>(undefined);
  now.current = marks;
  useLayoutEffect(() => {
    config.addHook('init', (u) => { plot.current = u; });
    config.addHook('drawAxes', (u) => { // before the series: they lie over it
      const { ctx, bbox } = u;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      // Times at which several things were so are no darker than others.
      const x = (t: number) => Math.round(u.valToPos(t, 'x', true));
      let shaded = -Infinity;
      for (const m of now.current) {
        const from = Math.max(x(m.from), shaded), to = x(m.to);
        if (to > from) {
          ctx.fillStyle = m.color;
          ctx.globalAlpha = 0.08;
          ctx.fillRect(from, bbox.top, to - from, bbox.height);
          shaded = to;
        }
      }
      for (const m of now.current) {
        const from = x(m.from);
        ctx.fillStyle = ctx.strokeStyle = m.color;
        ctx.globalAlpha = 0.75;
        ctx.setLineDash([4, 4]);
        ctx.beginPath();
        ctx.moveTo(from + 0.5, bbox.top);
        ctx.lineTo(from + 0.5, bbox.top + bbox.height);
        ctx.stroke();
        ctx.beginPath();
        ctx.moveTo(from - 4, bbox.top + bbox.height);
        ctx.lineTo(from + 5, bbox.top + bbox.height);
        ctx.lineTo(from + 0.5, bbox.top + bbox.height - 7);
        ctx.fill();
      }
      ctx.restore();
    });
  }, [config]);
  useEffect(() => plot.current?.redraw(false), [marks]);
  return null;
}

function Hovered({ frame, indices, hovered, sort, theme, marks, pinned, links }: {
  frame: DataFrame; indices: Array<number | null>; hovered: number | null; sort?: string; theme: GrafanaTheme2; marks: Mark[]; pinned: boolean;
  links(labels: Labels | undefined): Link[];
}) {
  const at = indices.slice(1).find((i) => i !== null && i !== undefined);
  const rows = frame.fields.slice(1).flatMap((field, i) => {
    const index = indices[i + 1];
    const value = index === null || index === undefined ? null : field.values[index];
    if (value === null || value === undefined || field.config.custom?.hideFrom?.viz) {
      return [];
    }
    const display = field.display ?? getDisplayProcessor({ field, theme });
    const shown = display(value);
    return [{ name: field.state?.displayName ?? field.config.displayNameFromDS ?? field.name, value, text: formattedValueToString(shown), color: getFieldSeriesColor(field, theme).color, hovered: hovered === i + 1 }];
  });
  if (sort === 'desc' || sort === 'asc') {
    rows.sort((a, b) => (sort === 'desc' ? b.value - a.value : a.value - b.value));
  }
  const time = at === undefined || at === null ? undefined : Number(frame.fields[0].values[at]);
  const leads = hovered === null ? [] : links(frame.fields[hovered]?.labels);
  return (
    <div className="tooltip">
      <div className="tooltip-time">{at === undefined || at === null ? '' : dateTimeFormat(frame.fields[0].values[at])}</div>
      {rows.slice(0, 20).map((r) => (
        <div key={r.name} className={r.hovered ? 'tooltip-row hovered' : 'tooltip-row'}>
          <span className="swatch" style={{ background: r.color }} />
          <span className="tooltip-name">{r.name}</span>
          <span>{r.text}</span>
        </div>
      ))}
      {marks.filter((m) => time !== undefined && m.from <= time && time <= m.to).slice(0, 5).map((m) => (
        <div key={m.title + m.from} className="tooltip-row"><span className="swatch" style={{ background: m.color }} /><span className="tooltip-name">{m.title}</span><span>fires</span></div>
      ))}
      {leads.map((l) => (
        <div key={l.href} className="tooltip-link">{pinned ? <a href={l.href} onClick={go}>{l.title}</a> : `Click for: ${l.title}`}</div>
      ))}
      {rows.length > 20 && <div className="quiet">and {rows.length - 20} more</div>}
    </div>
  );
}
