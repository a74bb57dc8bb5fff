import { useEffect, useRef } from 'react';

/** What shows a text in Markdown, as Grafana does and without what would run; undefined for none. */
export function useMarkdown(text: string | undefined): (() => string) | undefined {
  const html = useRef('');
  useEffect(() => {
    html.current = '';
    if (text) {
      void import('./panels/words').then((m) => { html.current = m.renderMarkdown(text); });
    }
  }, [text]);
  return text ? () => html.current : undefined;
}
