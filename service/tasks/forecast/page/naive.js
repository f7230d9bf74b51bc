// The seasonal-naive forecast: each step repeats the newest known value of the same phase of the season.

export function seasonalNaive(values, season, horizon) {
  const steps = [];
  for (let step = 0; step < horizon; step += 1) {
    let index = values.length + step;
    do index -= season;
    while (index >= 0 && (index >= values.length || values[index] === null));
    steps.push(index >= 0 ? values[index] : null);
  }
  return steps;
}
