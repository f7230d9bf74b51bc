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

const YEAR_FIRST = /^(\d{4})([-/.])(\d{1,2})(?:\2(\d{1,2}))?(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$/;
const YEAR_LAST = /^(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?$/;
const QUARTER = /^(\d{4})[- ]?Q([1-4])$/i;

export const looksLikeDate = (cell) => [YEAR_FIRST, YEAR_LAST, QUARTER].some((form) => form.test(cell));

// A column of dates. Throws an Error where a date doesn't exist or can be read in two ways.
export function readDates(cells, lines) {
  const dayFirst = readsDayFirst(cells);
  return cells.map((cell, index) => {
    const time = readDate(cell, dayFirst);
    if (time === null) throw new Error(`Line ${lines[index]}: “${cell}” is not a date that can be read; write it as 2019-01-31.`);
    return time;
  });
}

// Whether 03/04/2019 is the third of April; points always put the day first.
function readsDayFirst(cells) {
  const found = cells.map((cell) => YEAR_LAST.exec(cell)).filter((match) => match && match[2] !== ".");
  if (found.some((match) => Number(match[1]) > 12)) return true;
  if (found.some((match) => Number(match[3]) > 12)) return false;
  if (found.length > 0) throw new Error(`Dates such as ${found[0][0]} can be read in two ways; write them as 2019-01-31.`);
  return true;
}

function readDate(cell, dayFirst) {
  let match = YEAR_FIRST.exec(cell);
  if (match) {
    const [, year, , month, day = "1", hour = "0", minute = "0", second = "0", offset] = match;
    return wall(year, month, day, hour, minute, second, offset);
  }
  match = YEAR_LAST.exec(cell);
  if (match) {
    const [, first, mark, second, year, hour = "0", minute = "0", seconds = "0"] = match;
    const [day, month] = dayFirst || mark === "." ? [first, second] : [second, first];
    return wall(year, month, day, hour, minute, seconds);
  }
  match = QUARTER.exec(cell);
  return match ? wall(match[1], 3 * match[2] - 2, 1, 0, 0, 0) : null;
}

// An offset from UTC is left out: the clock on the wall is what a season follows.
function wall(year, month, day, hour, minute, second) {
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  const date = new Date(time);
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === Number(day) && Number(hour) < 24;
  return exists ? time : null;
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
  const firsts = times.map((time) => new Date(time)).map((date) => Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1));
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
