// What draws data, with the libraries of charts. The pages fetch it while the first data are on their way.
export { Heatmap } from './Heatmap';
export { Lines } from './Lines';
export { Bars, Dial, Pie, Rows, Stat } from './Values';
