// Parses cells as dates, infers a frequency from dates, and computes the dates of a frequency. Times are milliseconds of local
// wall-clock time, without a time zone.

const DAY = 86_400_000;
const FIXED = { "15min": DAY / 96, "30min": DAY / 48, h: DAY / 24, D: DAY, W: 7 * DAY };
const MONTHS = { MS: 1, QS: 3, YS: 12 };

export const FREQUENCIES = {
  "15min": "every 15 minutes",
  "30min": "every 30 minutes",
  h: "hourly",
  D: "daily",
  B: "working days",
  W: "weekly",
  MS: "monthly",
  QS: "quarterly",
  YS: "yearly",
};

// Each date format: its pattern, and its parser, which returns null for a date that doesn't exist.
const CLOCK = String.raw`(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?:\s*([ap])\.?m\.?)?)?\s*(?:Z|UTC|[+-]\d{2}:?\d{2})?`;
const NAME = String.raw`(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?`;
const pattern = (source) => new RegExp(`^${source}$`, "i");
const monthOf = (name) => "janfebmaraprmayjunjulaugsepoctnovdec".indexOf(name.slice(0, 3).toLowerCase()) / 3 + 1;

const YEAR_FIRST = pattern(String.raw`(?!\d{4}\.\d+$)(\d{4})([-/.])(\d{1,2})(?:\2(\d{1,2}))?${CLOCK}`); // 2019.10 alone is a number
const YEAR_LAST = pattern(String.raw`(\d{1,2})([./-])(\d{1,2})\2(\d{4})${CLOCK}`);
const SHORT_YEAR = pattern(String.raw`(?:\d{1,2}([./-])\d{1,2}\1\d{2}${CLOCK}|(?:\d{1,2}[ -])?${NAME}[ '’-]*\d{2})`);
const FORMATS = [
  [YEAR_FIRST, ([year, , month, day = "1", ...clock]) => localTime(year, month, day, clock)],
  [YEAR_LAST, ([one, mark, two, year, ...clock], dayFirst) => (dayFirst || mark === "." ? localTime(year, two, one, clock) : localTime(year, one, two, clock))],
  [pattern(String.raw`(\d{4})(\d{2})(\d{2})T(\d{2}):?(\d{2})(?::?(\d{2}))?Z?`), ([year, month, day, ...clock]) => localTime(year, month, day, clock)],
  [pattern(String.raw`(\d{4})[- ]?Q([1-4])`), ([year, quarter]) => localTime(year, 3 * quarter - 2, 1)],
  [pattern(String.raw`(\d{4})-?W(\d{2})(?:-?([1-7]))?`), ([year, week, day = 1]) => isoWeekday(year, week, day)],
  [pattern(String.raw`${NAME}[ -]+(\d{4})`), ([name, year]) => localTime(year, monthOf(name), 1)],
  [pattern(String.raw`(\d{4})[ -]+${NAME}`), ([year, name]) => localTime(year, monthOf(name), 1)],
  [pattern(String.raw`(\d{1,2})\.?[ -]+${NAME}[ ,-]+(\d{4})${CLOCK}`), ([day, name, year, ...clock]) => localTime(year, monthOf(name), day, clock)],
  [pattern(String.raw`${NAME}[ -]+(\d{1,2})(?:st|nd|rd|th)?,?[ -]+(\d{4})${CLOCK}`), ([name, day, year, ...clock]) => localTime(year, monthOf(name), day, clock)],
  [SHORT_YEAR, () => null],
];

export const looksLikeDate = (cell) => FORMATS.some(([format]) => format.test(cell));

// A column of dates. Throws an Error where a date doesn't exist or can be read in two ways.
export function readDates(cells, lines) {
  const dayFirst = readsDayFirst(cells);
  return cells.map((cell, index) => {
    const time = readDate(cell, dayFirst);
    if (time === null && SHORT_YEAR.test(cell)) throw new Error(`Line ${lines[index]}: “${cell}” gives its year in two digits and can be read in several ways; write dates as 2019-01-31.`);
    if (time === null) throw new Error(`Line ${lines[index]}: “${cell}” is not a date that can be read; write it as 2019-01-31.`);
    return time;
  });
}

// One date by itself, the year first; null for anything else.
export const readStart = (text) => (YEAR_FIRST.test(text) ? readDate(text) : null);

// Whether 03/04/2019 is the third of April; with points the day always comes first.
function readsDayFirst(cells) {
  const found = cells.map((cell) => YEAR_LAST.exec(cell)).filter((match) => match && match[2] !== ".");
  if (found.some((match) => Number(match[1]) > 12)) return true;
  if (found.some((match) => Number(match[3]) > 12)) return false;
  if (found.length > 0) throw new Error(`Dates such as ${found[0][0]} can be read in two ways; write them as 2019-01-31.`);
  return true;
}

function readDate(cell, dayFirst) {
  const [format, parse] = FORMATS.find(([each]) => each.test(cell)) ?? [];
  return format ? parse(format.exec(cell).slice(1), dayFirst) : null;
}

// Dates written as plain numbers: recognised in any column, or only in one that is named like a time.
const NUMBERED = [
  { format: /^((?:19|20|21)\d{2})(\d{2})(\d{2})$/, anywhere: true, parse: ([year, month, day]) => localTime(year, month, day) },
  { format: /^((?:19|20|21)\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?$/, parse: ([year, month, day, ...clock]) => localTime(year, month, day, clock) },
  { format: /^((?:1[5-9]|20|21)\d{2})$/, parse: ([year]) => localTime(year, 1, 1) },
  { format: /^((?:19|20|21)\d{2})\.?(0[1-9]|1[0-2])$/, parse: ([year, month]) => localTime(year, month, 1) },
  { format: /^(1[0-8]\d{8}|[1-9]\d{8})(?:\.0*)?$/, note: "Unix seconds taken as UTC", parse: ([seconds]) => 1000 * seconds },
  { format: /^(1[0-8]\d{11}|[1-9]\d{11})(?:\.0*)?$/, note: "Unix milliseconds taken as UTC", parse: ([milliseconds]) => Number(milliseconds) },
];

// A column of numbers as dates: {times, note}; null if it isn't one.
export function readNumberedDates(cells, isNamedTime) {
  for (const { format, anywhere, note = null, parse } of NUMBERED) {
    if (!(isNamedTime || anywhere) || !cells.every((cell) => format.test(cell))) continue;
    const times = cells.map((cell) => parse(format.exec(cell).slice(1)));
    if (!times.includes(null) && (isNamedTime || new Set(times).size === times.length)) return { times, note };
  }
  return null;
}

export const looksLikeUnixTime = (cells) => cells.length > 2 && [10, 13].includes(cells[0].length) && cells.every((cell, index) => /^1\d+$/.test(cell) && cell.length === cells[0].length && (index === 0 || cell > cells[index - 1]));

// Not Date.UTC: it takes the year 1 for 1901.
function utc(year, month, day, hour = 0, minute = 0, second = 0) {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.setUTCHours(hour, minute, second);
}

// Ignores the offset from UTC: seasons follow local time.
function localTime(year, month, day, [hour = 0, minute = 0, second = 0, half = null] = []) {
  if (half && (hour < 1 || hour > 12)) return null;
  const hours = half ? (hour % 12) + (half.toLowerCase() === "p" ? 12 : 0) : Number(hour);
  const time = utc(Number(year), month, day, hours, minute, second);
  const date = new Date(time);
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === Number(day) && hours < 24 && minute < 60 && second < 60;
  return exists ? time : null;
}

// A day of an ISO 8601 week: week 1 contains 4 January.
function isoWeekday(year, week, day) {
  const fourth = utc(Number(year), 1, 4);
  const monday = fourth - ((new Date(fourth).getUTCDay() + 6) % 7) * DAY + (week - 1) * 7 * DAY;
  return week > 0 && new Date(monday + 3 * DAY).getUTCFullYear() === Number(year) ? monday + (day - 1) * DAY : null;
}

// The index of each date on the grid of a frequency that starts at the first date; null if one is off the grid.
export function gridIndices(times, freq) {
  const [start] = times;
  const found = times.map((time) => gridIndex(start, time, freq));
  return found.every((one) => Number.isInteger(one)) ? found : null;
}

function gridIndex(start, time, freq) {
  if (freq in FIXED) return (time - start) / FIXED[freq];
  const [first, date] = [new Date(start), new Date(time)];
  if (freq === "B") {
    const day = (when) => (when.getUTCDay() + 6) % 7;
    if (day(first) > 4 || day(date) > 4 || (time - start) % DAY !== 0) return NaN;
    return ((time - start) / DAY - (day(date) - day(first))) / 7 * 5 + day(date) - day(first);
  }
  const months = 12 * (date.getUTCFullYear() - first.getUTCFullYear()) + date.getUTCMonth() - first.getUTCMonth();
  return first.getUTCDate() === 1 && date.getUTCDate() === 1 && time % DAY === start % DAY ? months / MONTHS[freq] : NaN;
}

// The longest frequency that has every date on its grid and two in a row; null for none.
export function inferFrequency(times) {
  const daily = gridIndices(times, "D") !== null;
  const weekends = times.some((time) => [0, 6].includes(new Date(time).getUTCDay()));
  const overAWeekend = times.at(-1) - times[0] > 7 * DAY;
  for (const freq of ["YS", "QS", "MS", "W", ...(daily && !weekends && overAWeekend ? ["B"] : []), "D", "h", "30min", "15min"]) {
    const found = gridIndices(times, freq);
    if (found && found.some((one, index) => index > 0 && one - found[index - 1] === 1)) return freq;
  }
  return null;
}

// Month ends, such as 31 January and 28 February, to the first of each month; null for other dates.
export function monthEndsToFirsts(times) {
  const last = (time) => new Date(time + DAY).getUTCDate() === 1;
  if (times.length < 2 || !times.every(last)) return null;
  const firsts = times.map((time) => new Date(time)).map((date) => utc(date.getUTCFullYear(), date.getUTCMonth() + 1, 1));
  return new Set(firsts).size === firsts.length ? firsts : null;
}

// The time `index` steps after `start`.
export function timestampAt(start, freq, index) {
  if (freq in FIXED) return start + index * FIXED[freq];
  const date = new Date(start);
  if (freq === "B") {
    const day = (date.getUTCDay() + 6) % 7;
    const weeks = Math.floor((day + index) / 5);
    return start + (weeks * 7 + ((day + index) % 5) - day) * DAY;
  }
  date.setUTCMonth(date.getUTCMonth() + index * MONTHS[freq]);
  return date.getTime();
}

// ISO 8601, to the minute or the day.
export function formatTime(time, withTime) {
  const text = new Date(time).toISOString();
  return withTime ? text.slice(0, 16) : text.slice(0, 10);
}
