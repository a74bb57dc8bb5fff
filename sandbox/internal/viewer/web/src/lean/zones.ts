// In the place of moment-timezone: all but the table of every zone since 1800, which only times of other zones than the
// browser's and UTC need (../zone.ts).
import moment from 'moment-timezone/moment-timezone.js';

export const { tz } = moment;
tz.guess = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
tz.add('UTC|UTC|0|0|');
export default moment;
