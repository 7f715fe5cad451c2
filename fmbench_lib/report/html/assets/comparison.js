// The charts of a comparison: the two distributions of each level, and by how much each quantile differs.

const DATA = JSON.parse(document.getElementById("data").textContent);
const WORDS = { latency: "latency", TTFT: "time to first token", TPOT: "time per output token" };

function ecdfSpec({ family, sides }) {
  const series = sides.map(({ name, n, ranks, values }, side) => ({
    name, marks: false, colour: `var(--c${side})`, dash: side,
    points: values.map((value, place) => ({
      x: value, y: ranks[place] / n,
      tip: [name, `${count(ranks[place])} of n = ${count(n)} (${percent(ranks[place] / n)}) took at most ${seconds(value)}`],
    })),
  }));
  return {
    title: `Distribution of ${WORDS[family]}`,
    about: "The share of successful requests, over all repeats, that took at most so long.",
    series, signs: [], x: { title: `${family} (s)`, zero: false }, y: { title: "share of requests", domain: [0, 1.02], format: percent },
  };
}

function signed(value) {
  return `${value > 0 ? "+" : ""}${plain(value, 2)}%`;
}

function shiftSpec({ family, shifts }) {
  const points = shifts.map(({ q, base, new: now, change, low, high }) => {
    const ends = known(low) && known(high) ? { ylow: 100 * low, yhigh: 100 * high } : {};
    const interval = known(low) && known(high) ? ` (95% CI ${signed(100 * low)} to ${signed(100 * high)})` : " (no interval)";
    return {
      x: 100 * q, y: 100 * change, ...ends, verdict: "valid", hollow: !known(low),
      tip: [`p${plain(100 * q)} of ${family}`, `${seconds(base)} → ${seconds(now)}`, `${signed(100 * change)}${interval}`],
    };
  });
  return {
    title: `Shift of ${WORDS[family]} by percentile`,
    about: "By how much each percentile differs from the base, with its own 95% interval; hollow where there is none.",
    series: [{ name: "change", colour: "var(--c1)", points }],
    x: { title: "percentile", domain: [0, 100] }, y: { title: "change (%)" }, rules: [{ axis: "y", at: 0, text: "no difference" }],
  };
}

document.body.append(tooltip, spoken);
document.getElementById("business_summary").replaceChildren();
DATA.levels.forEach(({ families }, place) => {
  const parent = document.getElementById(`charts-${place}`);
  for (const family of families) {
    new Plot(parent, `ecdf-${place}-${family.family}`).update(ecdfSpec(family));
    new Plot(parent, `shift-${place}-${family.family}`).update(shiftSpec(family));
  }
});
document.documentElement.dataset.ready = String(Math.round(performance.now()));
