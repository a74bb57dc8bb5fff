declare module 'moment-timezone/moment-timezone.js' {
  export { default } from 'moment-timezone';
}
