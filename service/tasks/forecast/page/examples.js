// Example series, computed by formula from a seeded generator.

import { formatTime, timestampAt } from "./dates.js";

// Mulberry32: the same numbers on every machine.
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const noise = (random) => random() + random() + random() - 1.5;

function csv(names, start, freq, count, row) {
  const withTime = freq === "h";
  const lines = Array.from({ length: count }, (_, index) => [formatTime(timestampAt(start, freq, index), withTime), ...row(index)].join(","));
  return [names.join(","), ...lines].join("\n");
}

const SERIES = [
  {
    name: "Daily visitors, with gaps",
    freq: "D",
    make() {
      const random = generator(7);
      const week = [0.92, 0.95, 0.97, 1.0, 1.15, 1.42, 1.28];
      return csv(["date", "visitors"], Date.UTC(2025, 0, 6), "D", 182, (day) => {
        const value = 840 * week[day % 7] * (1 + 0.12 * Math.sin(day / 40)) * (1 + 0.06 * noise(random));
        return [(day >= 96 && day < 101) || [31, 52, 140, 141].includes(day) ? "" : Math.round(value)];
      });
    },
  },
  {
    name: "Hourly load",
    freq: "h",
    make() {
      const random = generator(11);
      return csv(["time", "load"], Date.UTC(2025, 2, 3), "h", 336, (hour) => {
        const day = Math.floor(hour / 24) % 7;
        const daily = 1 - 0.35 * Math.cos((2 * Math.PI * ((hour % 24) - 4)) / 24) + 0.12 * Math.sin((4 * Math.PI * (hour % 24)) / 24);
        return [(52 * daily * (day > 4 ? 0.78 : 1) * (1 + 0.05 * noise(random))).toFixed(1)];
      });
    },
  },
  {
    name: "Monthly sales",
    freq: "MS",
    make() {
      const random = generator(5);
      const year = [0.82, 0.8, 0.95, 0.98, 1.02, 1.04, 0.97, 0.9, 1.0, 1.06, 1.16, 1.3];
      return csv(["month", "sales"], Date.UTC(2017, 0, 1), "MS", 102, (month) => [Math.round(12_400 * 1.006 ** month * year[month % 12] * (1 + 0.05 * noise(random)))]);
    },
  },
  {
    name: "Rail and bus boardings",
    freq: "D",
    covariates: ["bus"],
    make() {
      const random = generator(3);
      return csv(["date", "rail", "bus"], Date.UTC(2025, 0, 6), "D", 126, (day) => {
        const shape = [1, 1.02, 1.03, 1.02, 0.98, 0.56, 0.41][day % 7];
        const drift = 1 + 0.05 * Math.sin(day / 30);
        const rail = Math.round(735_000 * shape * drift * (1 + 0.03 * noise(random)));
        const bus = Math.round(810_000 * shape * drift * (1 + 0.03 * noise(random)));
        return [day === 58 || day === 101 ? "NA" : rail, bus];
      });
    },
  },
];

// Those of the model's frequencies; one with a covariate only if the model reads it. Covariates first.
export const seriesFor = (frequencies, past) =>
  SERIES.filter(({ freq, covariates = [] }) => frequencies.includes(freq) && covariates.every((name) => past.includes(name))).sort(
    (one, other) => (other.covariates?.length ?? 0) - (one.covariates?.length ?? 0),
  );
