import { LoadingState, type DataFrame, type GrafanaTheme2, type TimeRange } from '@grafana/data';
import { Icon, PanelChrome } from '@grafana/ui';
import { memo, useEffect, useMemo, useRef, useState } from 'react';
import { prometheus, searchLogs, type LogLine } from './api';
import { countLogs } from './counts';
import { bucketFrames, rangeFrames, tableFrame, withConfig } from './frames';
import { linksOfAll, type Link } from './links';
import type { Mark } from './marks';
import { LogRows } from './panels/Logs';
import { useMarkdown } from './markdown';
import { go } from './route';
import { rateInterval, stepOf } from './time';
import { preview } from './preview';
import { listSources, sourceOf } from './sources';
import { interpolate, type Variable } from './variables';

interface Props {
  panel: any;
  range: TimeRange;
  variables: Variable[];
  marks?: Mark[];
  width: number;
  height: number;
  theme: GrafanaTheme2;
  /** The panel's place in its dashboard, for who looks for it. */
  at?: number;
  onZoom(from: number, to: number): void;
}

// What older dashboards call a visualization.
const successors: Record<string, string> = { graph: 'timeseries', singlestat: 'stat', 'table-old': 'table', 'grafana-piechart-panel': 'piechart' };

type Drawing = typeof import('./panels/drawing') & Partial<typeof import('./panels/words')>;
interface Data { frames: DataFrame[]; lines: LogLine[]; state: LoadingState; error?: string; draw?: Drawing }

/** What draws panels of a type: fetched once, while the data are. */
async function drawing(type: string): Promise<Drawing> {
  const [draw, words] = await Promise.all([import('./panels/drawing'), type === 'text' ? import('./panels/words') : undefined]);
  return { ...draw, ...words };
}

/** One panel: asks its queries whenever the time or a variable changes, and draws what they answer. */
export const Panel = memo(function Panel({ panel, range, variables, marks, width, height, theme, at, onZoom }: Props) {
  const [data, setData] = useState<Data>({ frames: [], lines: [], state: LoadingState.Loading });
  const seen = useVisible();
  const type = successors[panel.type] ?? panel.type;
  const step = preview ? preview.step / 1000 : stepOf(range, width, panel); // of a preview, that is all there is
  const scope = useMemo(() => scopeOf(range, step), [range, step]);
  const asked = useMemo(() => JSON.stringify([panel.targets, variables.map((v) => [v.name, v.value, v.options])]), [panel, variables]);

  useEffect(() => {
    if (!seen.visible) {
      return;
    }
    const stop = new AbortController();
    setData((d) => ({ ...d, state: LoadingState.Loading }));
    Promise.all([ask(panel, range, step, variables, scope, stop.signal), drawing(type)])
      .then(([answer, draw]) => setData({ ...answer, draw, state: LoadingState.Done }))
      .catch((e: Error) => {
        if (!stop.signal.aborted) {
          setData((d) => ({ ...d, state: LoadingState.Error, error: e.message }));
        }
      });
    return () => stop.abort();
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [seen.visible, range, step, asked]);

  const frames = useMemo(
    () => withConfig(data.frames, panel.fieldConfig, theme),
    [data.frames, panel, theme]
  );
  const links = useMemo(() => (preview ? [] : linksOfAll(panel, frames, range, variables)), [panel, frames, range, variables]);
  const fill = (text: string) => interpolate(text, variables, scope);
  const description = useMarkdown(panel.description && fill(panel.description));
  const empty = frames.length === 0 && data.lines.length === 0 && data.state === LoadingState.Done && type !== 'text';
  return (
    <div ref={seen.ref} data-panel={panel.id} data-at={at} data-state={data.state} data-error={data.state === LoadingState.Error ? data.error : undefined}>
      <PanelChrome
        title={fill(panel.title ?? '')} description={description} width={width} height={height}
        loadingState={data.state} statusMessage={data.error}
        actions={links.length > 0 ? <Links of={panel.title} links={links} /> : undefined}
      >
        {(w, h) => {
          if (empty) {
            return <p className="empty">{panel.fieldConfig?.defaults?.noValue ?? 'No data'}</p>;
          }
          const props = { panel, frames, width: w, height: h, theme, fill };
          if (frames.length === 0 && data.lines.length === 0 && type !== 'text') {
            // Else the first answer is still to come.
            return data.state === LoadingState.Error ? <p className="empty">{data.error}</p> : <></>;
          }
          const { draw } = data;
          if (!draw) {
            return <></>;
          }
          switch (type) {
            case 'timeseries':
              return <draw.Lines {...props} range={range} variables={variables} marks={marks ?? []} onZoom={onZoom} />;
            case 'stat':
              return <draw.Stat {...props} />;
            case 'bargauge':
              return <draw.Bars {...props} />;
            case 'gauge':
              return <draw.Dial {...props} />;
            case 'piechart':
              return <draw.Pie {...props} />;
            case 'heatmap':
              return <draw.Heatmap {...props} range={range} />;
            case 'table':
              return <draw.Rows panel={panel} frames={frames} height={h} theme={theme} />;
            case 'logs':
              return <div className="scroll" style={{ height: h }} tabIndex={0} role="region" aria-label={panel.title}><LogRows lines={data.lines} /></div>;
            case 'text':
              return draw.Text ? <draw.Text panel={panel} height={h} fill={fill} /> : <></>;
          }
          return <p className="empty">The sandbox does not draw panels of type “{panel.type}”: open it in Grafana.</p>;
        }}
      </PanelChrome>
    </div>
  );
});

/** Where a panel's series lead, for those who do not point at them. */
function Links({ of, links }: { of: string; links: Link[] }) {
  return (
    <details className="links">
      <summary aria-label={`Links of ${of}`} title="Links"><Icon name="link" size="sm" /></summary>
      <ul>{links.map((l) => <li key={l.href}><a href={l.href} onClick={go}>{l.title}</a></li>)}</ul>
    </details>
  );
}

/** Grafana's own variables for a panel. */
export function scopeOf(range: TimeRange, step: number): Record<string, string> {
  const from = range.from.valueOf(), to = range.to.valueOf();
  return {
    __rate_interval: `${rateInterval(step)}s`, __interval: `${step}s`, __interval_ms: String(step * 1000),
    __range: `${Math.round((to - from) / 1000)}s`, __range_s: String(Math.round((to - from) / 1000)), __range_ms: String(to - from),
    __from: String(from), __to: String(to),
  };
}

async function ask(panel: any, range: TimeRange, step: number, variables: Variable[], scope: Record<string, string>, signal: AbortSignal) {
  const from = Math.floor(range.from.valueOf() / 1000 / step) * step, to = range.to.valueOf() / 1000;
  const fill = (text: string) => interpolate(text, variables, scope);
  const targets = (panel.targets ?? []).filter((t: any) => !t.hide);
  const tables = targets.filter((t: any) => t.format === 'table').length; // Grafana tells their values apart by their query
  const sources = targets.length > 0 ? await listSources() : [];
  const answers = await Promise.all(
    targets.map(async (t: any): Promise<{ frames: DataFrame[]; lines: LogLine[] }> => {
      const source = sourceOf(t.datasource ?? panel.datasource, sources, variables);
      if (source.type === 'elasticsearch') {
        if (t.metrics?.length > 0 && !['logs', 'raw_data', 'raw_document'].includes(t.metrics[0].type)) {
          const counted = await countLogs(source.uid, t, fill(t.query ?? ''), range.from.valueOf(), range.to.valueOf(), step, fill, signal);
          return { frames: rangeFrames(t.refId, counted, undefined, from, to, step), lines: [] };
        }
        const answer = await searchLogs(source.uid, fill(t.query ?? ''), range.from.valueOf(), range.to.valueOf(), 100, signal);
        return { frames: [], lines: answer.lines };
      }
      if (source.type !== 'prometheus') {
        throw new Error(`The sandbox cannot ask a data source of type “${source.type}”.`);
      }
      const series = await prometheus(source.uid, fill(t.expr ?? ''), from, to, t.instant ? 0 : step, signal);
      if (t.format === 'table') {
        return { frames: series.length > 0 ? [tableFrame(t.refId, series, tables > 1 ? `Value #${t.refId}` : undefined)] : [], lines: [] };
      }
      const frames = rangeFrames(t.refId, series, t.legendFormat, t.instant ? to : from, to, step);
      return { frames: t.format === 'heatmap' ? bucketFrames(frames) : frames, lines: [] };
    })
  );
  const found = answers.flatMap((a) => a.frames);
  return { frames: found.length > 0 ? await transformed(panel, found, fill) : found, lines: answers.flatMap((a) => a.lines) };
}

async function transformed(panel: any, frames: DataFrame[], fill: (text: string) => string) {
  return panel.transformations?.length > 0 ? (await import('./transforms')).transform(panel, frames, fill) : frames;
}

/** Whether an element has come into view: panels further down ask when people get to them. */
function useVisible() {
  const ref = useRef<HTMLDivElement>(null);
  const [visible, set] = useState(false);
  useEffect(() => {
    if (!ref.current || preview || typeof IntersectionObserver === 'undefined') {
      set(true);
      return;
    }
    const o = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && set(true), { rootMargin: '300px' });
    o.observe(ref.current);
    return () => o.disconnect();
  }, []);
  return { ref, visible };
}
