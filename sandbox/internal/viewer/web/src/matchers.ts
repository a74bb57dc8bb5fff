export interface Matcher { name: string; value: string; isRegex: boolean; isEqual: boolean }

const one = /\s*([a-zA-Z_][\w.]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^,\s"{}]+)\s*(?:,|$)/y;

/** Reads matchers as Alertmanager writes them, with or without braces: alertname="X", layer=~"a|b". */
export function parseMatchers(text: string): Matcher[] {
  const inner = text.trim().replace(/^\{(.*)\}$/s, '$1').trim().replace(/,$/, '');
  const all: Matcher[] = [];
  one.lastIndex = 0;
  while (one.lastIndex < inner.length) {
    const at = one.lastIndex, m = one.exec(inner);
    if (!m) {
      throw new Error(`This is no matcher: ${inner.slice(at).trim()}. Write name="value", with =, !=, =~ or !~, and commas between.`);
    }
    all.push({ name: m[1], value: m[3].startsWith('"') ? JSON.parse(m[3]) : m[3], isEqual: m[2][0] === '=', isRegex: m[2].endsWith('~') });
  }
  if (all.length === 0) {
    throw new Error('A silence needs a matcher, such as alertname="CollectorDown".');
  }
  return all;
}

/** Writes matchers as Alertmanager does. */
export const formatMatchers = (all: Matcher[]) =>
  all.map((m) => `${m.name}${m.isEqual ? (m.isRegex ? '=~' : '=') : m.isRegex ? '!~' : '!='}${JSON.stringify(m.value)}`).join(', ');

/** Matchers of exactly these labels. */
export const matchersOf = (labels: Record<string, string>): Matcher[] =>
  Object.entries(labels).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true }));
