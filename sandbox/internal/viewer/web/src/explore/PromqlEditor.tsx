import { autocompletion, closeBrackets, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { lintGutter } from '@codemirror/lint';
import { EditorState, Prec } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { LanguageType, PromQLExtension, promQLLanguage } from '@prometheus-io/codemirror-promql';
import { useEffect, useRef } from 'react';

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--code-keyword)' },
  { tag: tags.function(tags.variableName), color: 'var(--code-function)' },
  { tag: tags.labelName, color: 'var(--code-label)' },
  { tag: tags.string, color: 'var(--code-string)' },
  { tag: tags.number, color: 'var(--code-number)' },
  { tag: tags.invalid, color: 'var(--firing)' },
]);

/** Grafana's variables as PromQL would have them, as long as they are: a length of time, or a number. */
export const plain = (text: string) => text.replace(/\$\{?__\w+\}?/g, (v) => (/_m?s\}?$/.test(v) ? '1'.padStart(v.length, '0') : '1m'.padStart(v.length, '0')));

/** PromQL with completion of metrics and labels; Enter runs it, Shift-Enter breaks the line. */
export function PromqlEditor({ value, onChange, onRun, dark }: { value: string; onChange(v: string): void; onRun(): void; dark: boolean }) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const run = useRef(onRun);
  run.current = onRun;
  useEffect(() => {
    const promql = new PromQLExtension().setComplete({ remote: { url: '/api/datasources/proxy/uid/prometheus' } });
    const usual = promql.getLinter().promQL();
    promql.setLinter({
      promQL: () => (v) => usual({ state: EditorState.create({ doc: plain(v.state.doc.toString()), extensions: promQLLanguage(LanguageType.PromQL) }) } as EditorView),
    });
    view.current = new EditorView({
      parent: place.current!,
      state: EditorState.create({
        doc: value,
        extensions: [
          history(), closeBrackets(), bracketMatching(), autocompletion(), lintGutter(), EditorView.lineWrapping,
          syntaxHighlighting(colours), promql.asExtension(),
          placeholder('rate(collector_errors_total[$__rate_interval])'),
          EditorView.contentAttributes.of({ 'aria-label': 'PromQL query' }),
          EditorView.theme({}, { dark }),
          // After the completion's own Enter, which leaves alone a list that has only just opened.
          Prec.highest(keymap.of([{ key: 'Enter', run: () => (run.current(), true) }])),
          keymap.of([...completionKeymap, ...historyKeymap, ...defaultKeymap]),
          EditorView.updateListener.of((u) => u.docChanged && onChange(u.state.doc.toString())),
        ],
      }),
    });
    return () => view.current?.destroy();
  }, [dark]); // eslint-disable-line
  useEffect(() => {
    const v = view.current;
    if (v && v.state.doc.toString() !== value) {
      v.dispatch({ changes: { from: 0, to: v.state.doc.length, insert: value } });
    }
  }, [value]);
  return <div ref={place} className="editor" />;
}
