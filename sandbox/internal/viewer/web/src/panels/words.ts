// What draws words, with the libraries that read Markdown and take out of HTML what would run.
export { renderMarkdown } from '@grafana/data';
export { Text } from './Text';
