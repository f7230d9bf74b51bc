// The seasonal-naive forecast: each step repeats the newest known value of the same place in the season.

export function seasonalNaive(values, season, horizon) {
  const steps = [];
  for (let step = 0; step < horizon; step += 1) {
    let place = values.length + step;
    do place -= season;
    while (place >= 0 && (place >= values.length || values[place] === null));
    steps.push(place >= 0 ? values[place] : null);
  }
  return steps;
}
