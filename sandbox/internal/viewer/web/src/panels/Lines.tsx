import type { DataFrame, TimeRange } from '@grafana/data';
import { TimeSeries, TooltipDisplayMode, TooltipPlugin2, type UPlotConfigBuilder } from '@grafana/ui';
import { useMemo } from 'react';
import { dateTimeFormat, formattedValueToString, getDisplayProcessor, getFieldSeriesColor, type GrafanaTheme2 } from '@grafana/data';

interface Props {
  panel: any;
  frames: DataFrame[];
  range: TimeRange;
  width: number;
  height: number;
  theme: GrafanaTheme2;
  onZoom(from: number, to: number): void;
}


/** Series over time, drawn by Grafana's own component. */
export function Lines({ panel, frames, range, width, height, theme, onZoom }: Props) {
  const legend = useMemo(
    () => ({ showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [], ...panel.options?.legend }),
    [panel]
  );
  const sort = panel.options?.tooltip?.sort;
  return (
    <TimeSeries frames={frames} timeRange={range} timeZone="browser" width={width} height={height} legend={legend as any}>
      {(config: UPlotConfigBuilder, aligned: DataFrame) => (
        <TooltipPlugin2
          config={config}
          hoverMode={panel.options?.tooltip?.mode === TooltipDisplayMode.Single ? 2 : 1}
          queryZoom={({ from, to }: { from: number; to: number }) => onZoom(from, to)}
          render={(_u: any, dataIdxs: Array<number | null>, seriesIdx: number | null) => (
            <Hovered frame={aligned} indices={dataIdxs} hovered={seriesIdx} sort={sort} theme={theme} />
          )}
          maxWidth={480}
        />
      )}
    </TimeSeries>
  );
}

function Hovered({ frame, indices, hovered, sort, theme }: {
  frame: DataFrame; indices: Array<number | null>; hovered: number | null; sort?: string; theme: GrafanaTheme2;
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
      {rows.length > 20 && <div className="quiet">and {rows.length - 20} more</div>}
    </div>
  );
}
