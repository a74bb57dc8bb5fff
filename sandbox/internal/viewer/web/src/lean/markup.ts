// In the place of react-dom/server, of which Grafana's truncated texts want the words of their children, and no more.
import { Children, isValidElement, type ReactNode } from 'react';

export function renderToStaticMarkup(node: ReactNode): string {
  return Children.toArray(node)
    .map((n) => (isValidElement<{ children?: ReactNode }>(n) ? renderToStaticMarkup(n.props.children) : String(n)))
    .join('');
}
export default { renderToStaticMarkup };
