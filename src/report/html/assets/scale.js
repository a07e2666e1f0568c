// From values to places on an axis, linear or logarithmic, and the round values that are written beside it.

// `from` and `to` in values, `start` and `end` in pixels.
function scale(from, to, start, end, log) {
  const map = log ? Math.log10 : (value) => value;
  const [low, high] = [map(from), map(to)];
  const unit = (end - start) / (high - low || 1);
  const at = (value) => start + (map(value) - low) * unit;
  at.back = (pixel) => {
    const value = low + (pixel - start) / unit;
    return log ? 10 ** value : value;
  };
  return Object.assign(at, { from, to, start, end, log });
}

// The range of the values with a little room, or of a constant with room for a line.
function padded(values, log) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value) || (log && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return null;
  if (log) {
    const room = Math.max((high / low) ** 0.05, 1.02);
    return [low / room, high * room];
  }
  const room = high > low ? (high - low) * 0.05 : Math.abs(high) * 0.1 || 1;
  return [low - room, high + room];
}

// About `amount` round values within the scale.
function ticks(axis, amount) {
  if (axis.log && axis.to / axis.from >= 8) return decades(axis, amount);
  const step = roundStep((axis.to - axis.from) / Math.max(1, amount));
  const values = [];
  for (let k = Math.ceil(axis.from / step - 1e-9); k * step <= axis.to * (1 + 1e-12) + step * 1e-9; k += 1) {
    values.push(Number((k * step).toPrecision(12)));
  }
  return values;
}

function roundStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = rough / power;
  return (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10) * power;
}

function decades(axis, amount) {
  const [first, last] = [Math.floor(Math.log10(axis.from)), Math.ceil(Math.log10(axis.to))];
  const within = (value) => value >= axis.from * (1 - 1e-9) && value <= axis.to * (1 + 1e-9);
  for (const factors of [[1, 2, 5], [1, 3], [1]]) {
    const every = Math.max(1, Math.ceil((last - first) / amount));
    const values = [];
    for (let power = first; power <= last; power += factors.length > 1 ? 1 : every) {
      for (const factor of factors) values.push(Number(`${factor}e${power}`));
    }
    const inside = values.filter(within);
    if (inside.length <= amount + 1 || factors.length === 1) return inside;
  }
  return [];
}

// One text for each tick: the decimals that tell neighbours apart, powers of ten where these would be many.
function tickTexts(values) {
  const greatest = Math.max(...values.map(Math.abs));
  const least = Math.min(...values.filter((value) => value !== 0).map(Math.abs));
  if (greatest >= 1e6 || least < 1e-4) {
    return values.map((value) => (value === 0 ? "0" : value.toExponential().replace("e+", "e")));
  }
  return values.map((value) => (Math.abs(value) >= 1e4 ? short(value) : String(value)));
}
