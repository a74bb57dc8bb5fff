import { renderTextPanelMarkdown, textUtil } from '@grafana/data';

/** A panel of words, in Markdown or HTML; what would run is taken out of it, as Grafana does. */
export function Text({ panel, height, fill }: { panel: any; height: number; fill(text: string): string }) {
  const content = fill(panel.options?.content ?? panel.content ?? '');
  const mode = panel.options?.mode ?? panel.mode ?? 'markdown';
  const box = { className: `scroll markdown-html`, style: { height } };
  if (mode === 'code' || mode === 'text') {
    return <pre {...box}>{content}</pre>;
  }
  return <div {...box} dangerouslySetInnerHTML={{ __html: mode === 'html' ? textUtil.sanitizeTextPanelContent(content) : renderTextPanelMarkdown(content) }} />;
}
