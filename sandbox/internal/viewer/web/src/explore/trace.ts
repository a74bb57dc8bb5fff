import type { Span, Trace } from '../api';

const parentOf = (s: Span) => s.references.find((r) => r.refType === 'CHILD_OF')?.spanID;

export const failed = (s: Span) => s.tags.some((t) => (t.key === 'error' && String(t.value) === 'true') || (t.key === 'otel.status_code' && t.value === 'ERROR'));

export const rootOf = (t: Trace) => t.spans.find((s) => !t.spans.some((p) => p.spanID === parentOf(s))) ?? t.spans[0];

/** A length of time that is given in microseconds. */
export const micros = (us: number) => (us >= 1e6 ? `${(us / 1e6).toFixed(2)} s` : us >= 1000 ? `${(us / 1000).toFixed(us >= 1e5 ? 0 : 1)} ms` : `${Math.round(us)} µs`);

/** Spans from parents to children, each with its depth and how many children it has, in the order of their start. */
export function tree(trace: Trace): Array<{ span: Span; depth: number; children: number }> {
  const ids = new Set(trace.spans.map((s) => s.spanID));
  const children = new Map<string, Span[]>();
  const roots: Span[] = [];
  for (const s of [...trace.spans].sort((a, b) => a.startTime - b.startTime)) {
    const parent = parentOf(s);
    if (parent && ids.has(parent) && parent !== s.spanID) {
      children.set(parent, [...(children.get(parent) ?? []), s]);
    } else {
      roots.push(s);
    }
  }
  const out: Array<{ span: Span; depth: number; children: number }> = [];
  const walk = (s: Span, depth: number) => {
    const below = children.get(s.spanID) ?? [];
    out.push({ span: s, depth, children: below.length });
    below.forEach((c) => walk(c, depth + 1));
  };
  roots.forEach((r) => walk(r, 0));
  return out;
}
