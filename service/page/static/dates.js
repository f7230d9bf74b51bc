// Cells to dates, dates to a spacing, and the dates of a spacing. All in milliseconds, as the clock on the wall says.

const DAY = 86_400_000;
const FIXED = { "15min": DAY / 96, "30min": DAY / 48, h: DAY / 24, D: DAY, W: 7 * DAY };
const MONTHS = { MS: 1, QS: 3, YS: 12 };

export const SPACINGS = {
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

// Each form of a date: how it is spelled, and the date it spells; null for one that doesn't exist.
const CLOCK = String.raw`(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?:\s*([ap])\.?m\.?)?)?\s*(?:Z|UTC|[+-]\d{2}:?\d{2})?`;
const NAME = String.raw`(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?`;
const form = (source) => new RegExp(`^${source}$`, "i");
const monthOf = (name) => "janfebmaraprmayjunjulaugsepoctnovdec".indexOf(name.slice(0, 3).toLowerCase()) / 3 + 1;

const YEAR_FIRST = form(String.raw`(?!\d{4}\.\d+$)(\d{4})([-/.])(\d{1,2})(?:\2(\d{1,2}))?${CLOCK}`); // 2019.10 alone is a number
const YEAR_LAST = form(String.raw`(\d{1,2})([./-])(\d{1,2})\2(\d{4})${CLOCK}`);
const SHORT_YEAR = form(String.raw`(?:\d{1,2}([./-])\d{1,2}\1\d{2}${CLOCK}|(?:\d{1,2}[ -])?${NAME}[ '’-]*\d{2})`);
const FORMS = [
  [YEAR_FIRST, ([year, , month, day = "1", ...clock]) => wall(year, month, day, clock)],
  [YEAR_LAST, ([one, mark, two, year, ...clock], dayFirst) => (dayFirst || mark === "." ? wall(year, two, one, clock) : wall(year, one, two, clock))],
  [form(String.raw`(\d{4})(\d{2})(\d{2})T(\d{2}):?(\d{2})(?::?(\d{2}))?Z?`), ([year, month, day, ...clock]) => wall(year, month, day, clock)],
  [form(String.raw`(\d{4})[- ]?Q([1-4])`), ([year, quarter]) => wall(year, 3 * quarter - 2, 1)],
  [form(String.raw`(\d{4})-?W(\d{2})(?:-?([1-7]))?`), ([year, week, day = 1]) => weekday(year, week, day)],
  [form(String.raw`${NAME}[ -]+(\d{4})`), ([name, year]) => wall(year, monthOf(name), 1)],
  [form(String.raw`(\d{4})[ -]+${NAME}`), ([year, name]) => wall(year, monthOf(name), 1)],
  [form(String.raw`(\d{1,2})\.?[ -]+${NAME}[ ,-]+(\d{4})${CLOCK}`), ([day, name, year, ...clock]) => wall(year, monthOf(name), day, clock)],
  [form(String.raw`${NAME}[ -]+(\d{1,2})(?:st|nd|rd|th)?,?[ -]+(\d{4})${CLOCK}`), ([name, day, year, ...clock]) => wall(year, monthOf(name), day, clock)],
  [SHORT_YEAR, () => null],
];

export const looksLikeDate = (cell) => FORMS.some(([spelled]) => spelled.test(cell));

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

// Whether 03/04/2019 is the third of April; points always put the day first.
function readsDayFirst(cells) {
  const found = cells.map((cell) => YEAR_LAST.exec(cell)).filter((match) => match && match[2] !== ".");
  if (found.some((match) => Number(match[1]) > 12)) return true;
  if (found.some((match) => Number(match[3]) > 12)) return false;
  if (found.length > 0) throw new Error(`Dates such as ${found[0][0]} can be read in two ways; write them as 2019-01-31.`);
  return true;
}

function readDate(cell, dayFirst) {
  const [spelled, read] = FORMS.find(([each]) => each.test(cell)) ?? [];
  return spelled ? read(spelled.exec(cell).slice(1), dayFirst) : null;
}

// Dates written as plain numbers: by their spelling alone, or only where the column is named like a time.
const NUMBERED = [
  { spelled: /^((?:19|20|21)\d{2})(\d{2})(\d{2})$/, anywhere: true, read: ([year, month, day]) => wall(year, month, day) },
  { spelled: /^((?:19|20|21)\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?$/, read: ([year, month, day, ...clock]) => wall(year, month, day, clock) },
  { spelled: /^((?:1[5-9]|20|21)\d{2})$/, read: ([year]) => wall(year, 1, 1) },
  { spelled: /^((?:19|20|21)\d{2})\.?(0[1-9]|1[0-2])$/, read: ([year, month]) => wall(year, month, 1) },
  { spelled: /^(1[0-8]\d{8}|[1-9]\d{8})(?:\.0*)?$/, note: "Unix seconds taken as UTC", read: ([seconds]) => 1000 * seconds },
  { spelled: /^(1[0-8]\d{11}|[1-9]\d{11})(?:\.0*)?$/, note: "Unix milliseconds taken as UTC", read: ([milliseconds]) => Number(milliseconds) },
];

// A column of numbers as dates: {times, note}; null where it isn't one.
export function readNumberedDates(cells, isNamedTime) {
  for (const { spelled, anywhere, note = null, read } of NUMBERED) {
    if (!(isNamedTime || anywhere) || !cells.every((cell) => spelled.test(cell))) continue;
    const times = cells.map((cell) => read(spelled.exec(cell).slice(1)));
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

// An offset from UTC is left out: the clock on the wall is what a season follows.
function wall(year, month, day, [hour = 0, minute = 0, second = 0, half = null] = []) {
  if (half && (hour < 1 || hour > 12)) return null;
  const hours = half ? (hour % 12) + (half.toLowerCase() === "p" ? 12 : 0) : Number(hour);
  const time = utc(Number(year), month, day, hours, minute, second);
  const date = new Date(time);
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === Number(day) && hours < 24 && minute < 60 && second < 60;
  return exists ? time : null;
}

// A day of a week as ISO 8601 counts them: the first has the fourth of January.
function weekday(year, week, day) {
  const fourth = utc(Number(year), 1, 4);
  const monday = fourth - ((new Date(fourth).getUTCDay() + 6) % 7) * DAY + (week - 1) * 7 * DAY;
  return week > 0 && new Date(monday + 3 * DAY).getUTCFullYear() === Number(year) ? monday + (day - 1) * DAY : null;
}

// The index of each date on the grid of a spacing that begins with the first of them; null where one lies beside it.
export function places(times, freq) {
  const [start] = times;
  const found = times.map((time) => place(start, time, freq));
  return found.every((one) => Number.isInteger(one)) ? found : null;
}

function place(start, time, freq) {
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

// The widest spacing that every date lies on and two neighbours show; null for none.
export function spacing(times) {
  const daily = places(times, "D") !== null;
  const weekends = times.some((time) => [0, 6].includes(new Date(time).getUTCDay()));
  const overAWeekend = times.at(-1) - times[0] > 7 * DAY;
  for (const freq of ["YS", "QS", "MS", "W", ...(daily && !weekends && overAWeekend ? ["B"] : []), "D", "h", "30min", "15min"]) {
    const found = places(times, freq);
    if (found && found.some((one, index) => index > 0 && one - found[index - 1] === 1)) return freq;
  }
  return null;
}

// Month ends stand for their months: 31 January, 28 February … to the first of each.
export function monthEndsToFirsts(times) {
  const last = (time) => new Date(time + DAY).getUTCDate() === 1;
  if (times.length < 2 || !times.every(last)) return null;
  const firsts = times.map((time) => new Date(time)).map((date) => utc(date.getUTCFullYear(), date.getUTCMonth() + 1, 1));
  return new Set(firsts).size === firsts.length ? firsts : null;
}

// The date of point `index`, counted from `start`.
export function pointOf(start, freq, index) {
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

// As ISO 8601, without a time where there is none.
export function written(time, withTime) {
  const text = new Date(time).toISOString();
  return withTime ? text.slice(0, 16) : text.slice(0, 10);
}
