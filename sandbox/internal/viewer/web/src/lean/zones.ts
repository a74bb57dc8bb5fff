// In the place of moment-timezone: all but the table of every zone since 1800, which only times of other zones than the
// browser's need, and which loadZones() of ../time fetches for them.
import moment from 'moment-timezone/moment-timezone.js';

export const { tz } = moment;
tz.guess = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
export default moment;
