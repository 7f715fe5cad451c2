// Axes: linear, logarithmic, and one that opens the tail of a distribution.

const ZOOM_STEP = 1.6;

// Whether positive values span so much that a linear axis would crowd the small ones.
function wide(values, factor = 8) {
  const all = values.filter(known);
  return all.length > 0 && Math.min(...all) > 0 && Math.max(...all) > factor * Math.min(...all);
}

const TRANSFORMS = {
  linear: { to: (value) => value, from: (value) => value },
  log: { to: Math.log10, from: (value) => 10 ** value },
  tail: { to: (share) => -Math.log10(Math.max(1 - share, 1e-9)), from: (value) => 1 - 10 ** -value },
};

// The scale of an axis for these values: its kind, its ends and its ticks. `ends` of intervals are followed up to three
// times the greatest value, as further ones would flatten everything else.
function scaleFor(axis, values, ends, zoom) {
  const shown = values.filter(known);
  const log = axis.log !== false && !axis.domain && wide(shown);
  const kind = axis.kind || (log ? "log" : "linear");
  if (axis.domain) return { kind, low: axis.domain[0], high: axis.domain[1], ...zoom };
  if (!shown.length) return { kind: "linear", low: 0, high: 1 };
  const least = Math.min(...shown), most = Math.max(...shown);
  const reach = ends.filter(known).map((end) => Math.min(Math.max(end, least / 3), most * 3));
  const budget = known(axis.budget) && axis.budget <= 2 * most && axis.budget >= least / 4 ? [axis.budget] : [];
  let low = Math.min(least, ...reach, ...budget), high = Math.max(most, ...reach, ...budget);
  if (kind === "log") {
    low /= 1.25;
    high *= 1.35;
  } else if (axis.zero !== false) {
    low = Math.min(0, low);
    high = high * 1.1 || 1;
  } else {
    const margin = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    low -= margin;
    high += margin;
  }
  return { kind, low, high, ...zoom };
}

function ticksOf(scale, most) {
  if (scale.kind === "log") return logTicks(scale.low, scale.high, most);
  if (scale.kind === "tail") {
    const shares = [0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999];
    return shares.filter((share) => share >= scale.low && share <= scale.high);
  }
  const rough = (scale.high - scale.low) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough) || rough;
  const ticks = [];
  for (let index = Math.ceil(scale.low / step - 1e-9); index * step <= scale.high + step * 1e-9; index += 1) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}

// The densest of 1-2-5, 1-3 and 1 in each decade that fits; within less than a decade, as on a linear axis.
function logTicks(low, high, most) {
  for (const subs of [[1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const sub of subs) {
        const at = Number((sub * 10 ** power).toPrecision(12));
        if (at >= low && at <= high) ticks.push(at);
      }
    }
    if (ticks.length <= most + 1) {
      return ticks.length >= 2 ? ticks : ticksOf({ kind: "linear", low, high }, Math.min(most, 4)).filter((at) => at > 0);
    }
  }
  const every = [];
  for (let power = Math.ceil(Math.log10(low)); 10 ** power <= high; power += 1) every.push(10 ** power);
  const stride = Math.max(1, Math.ceil(every.length / most));
  return every.filter((_, index) => index % stride === 0);
}

// A function from values to pixels; `back` is its inverse.
function mapper(scale, from, to) {
  const { to: there, from: back } = TRANSFORMS[scale.kind];
  const low = there(scale.low), span = there(scale.high) - low || 1;
  const map = (value) => from + ((there(value) - low) / span) * (to - from);
  map.back = (pixel) => back(low + ((pixel - from) / (to - from)) * span);
  return map;
}

// The ends of a scale drawn together around a value, or apart.
function zoomed(scale, around, factor) {
  const { to, from } = TRANSFORMS[scale.kind];
  const [low, middle, high] = [scale.low, around, scale.high].map(to);
  return { low: from(middle - (middle - low) / factor), high: from(middle + (high - middle) / factor) };
}
