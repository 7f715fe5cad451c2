// The leader board, and the Pareto front of latency, price and quality.

Object.assign(state, { rank: "price_per_10k_txn", limit: "", price: "price_per_10k_txn", latency: "latency_p95", criteria: "", colour: "model" });

const RANKS = {
  price_per_10k_txn: ["USD per 10,000 requests", true, (value) => `${dollars(value)}`],
  price_per_1m_tokens: ["USD per 1M tokens", true, (value) => `${dollars(value)}`],
  latency_p95: ["latency p95", true, seconds], TTFT_p95: ["TTFT p95", true, seconds], TPOT_p50: ["TPOT p50", true, seconds],
  transactions_per_minute: ["requests per minute", false, significant],
  completion_token_throughput: ["output tokens per second", false, significant],
  quality: ["quality", false, significant],
};
const TIMES = ["latency_p50", "latency_p95", "latency_p99", "TTFT_p50", "TTFT_p95", "TPOT_p50", "TPOT_p95"];

// A figure that says something of the endpoint: no percentile of a queue that grew.
const told = (level, column) => (level.none && TIMES.includes(column) ? null : level[column]);

// One measure of quality at a time: different ones are different scales.
const MEASURE = (() => {
  const measures = LEVELS.filter((level) => known(level.quality)).map((level) => level.measure);
  const often = new Map(measures.map((name) => [name, measures.filter((one) => one === name).length]));
  return [...often].sort((one, other) => other[1] - one[1])[0]?.[0] ?? "";
})();
const qualityOf = (level) => (level.measure === MEASURE ? level.quality : null);
const figureOf = (level, column) => (column === "quality" ? qualityOf(level) : told(level, column));

// The best level of each experiment by the chosen figure, within the limit on latency; best first.
function board() {
  const [, least] = RANKS[state.rank], limit = Number.parseFloat(state.limit);
  const usable = newestLevels().filter((level) => level.verdict !== "invalid" && known(figureOf(level, state.rank))
    && (!(limit > 0) || (known(told(level, "latency_p95")) && level.latency_p95 <= limit)));
  const better = (one, other) => (least ? 1 : -1) * (figureOf(one, state.rank) - figureOf(other, state.rank));
  const best = new Map();
  for (const level of [...usable].sort(better)) if (!best.has(level.e)) best.set(level.e, level);
  return [...best.values()];
}

// What the intervals say of a level beside the first one.
function beside(first, level) {
  if (level === first) return "first";
  if (figureOf(level, state.rank) === figureOf(first, state.rank)) return "as the first";
  const low = `${state.rank}_low`;
  if (!known(first[low]) || !known(level[low])) return "no interval";
  return overlap(first, level, state.rank) ? "within the noise" : "behind";
}

function boardTable() {
  const rows = board(), measured = new Map();
  for (const level of levelsInSight().filter((one) => one.d === state.dataset)) {
    measured.set(level.e, (measured.get(level.e) || new Set()).add(level.r));
  }
  const columns = [
    ["rank", "count"], ["model", "text"], ["stack", "text"], ["instance", "text"], ["experiment", "text"], ["load", "text"],
    ["beside the first", "text"], ["USD / 10k requests", "usd"], ["USD / 1M tokens", "usd"], ["latency p95", "seconds"], ["low", "seconds"],
    ["high", "seconds"], ["TTFT p95", "seconds"], ["TPOT p50", "seconds"], ["requests/min", "number"], ["tokens/s", "number"],
    ...(MEASURE ? [[MEASURE, "number"]] : []), ["verdict", "verdict"], ["runs", "count"], ["newest run", "link"], ["date", "text"],
  ];
  return {
    id: "board", title: "Leader board", columns: columns.map(([name, kind]) => ({ name, kind })),
    rows: rows.map((level, place) => {
      const { model, stack, instance, name } = experimentOf(level), run = runOf(level);
      return [
        place + 1, model, stack, instance, name, level.load, beside(rows[0], level), level.price_per_10k_txn, level.price_per_1m_tokens,
        ...["latency_p95", "latency_p95_low", "latency_p95_high"].map((column) => (level.none ? null : level[column])),
        told(level, "TTFT_p95"), told(level, "TPOT_p50"), level.transactions_per_minute, level.completion_token_throughput,
        ...(MEASURE ? [qualityOf(level)] : []), level.verdict, measured.get(level.e).size, [run.title, run.page], dateOf(run),
      ];
    }),
  };
}

function limitInput() {
  const input = make("input", { type: "number", min: 0, step: "any", placeholder: "any" });
  input.addEventListener("input", () => {
    state.limit = input.value;
    refresh();
  });
  return make("label", { class: "choice" }, make("span", {}, "Latency p95 at most (s)"), input);
}

function ofBoard() {
  const place = section("board", "Leader board", "The best level of each experiment in its newest run of the chosen dataset. Ranks are those of the figures as measured: “within the noise” says that the 95% intervals of a level and of the first overlap, “no interval” that nothing can be said.");
  const ranks = Object.entries(RANKS).filter(([name]) => LEVELS.some((level) => known(figureOf(level, name))));
  if (!ranks.some(([name]) => name === state.rank)) state.rank = ranks[0]?.[0] ?? "latency_p95";
  bar(place, choice("Rank by", ranks.map(([name, [said]]) => [name, name === "quality" ? MEASURE : said]), "rank"), limitInput());
  region(place, () => {
    const table = boardTable();
    const missing = new Set(newestLevels().map((level) => level.e)).size - table.rows.length;
    const left = missing > 0 ? [make("p", { class: "about" }, `${missing} of the experiments in sight ${missing > 1 ? "have" : "has"} no level with this figure within the limit.`)] : [];
    if (!table.rows.length) return [make("p", { class: "none" }, "No level of this selection has this figure."), ...left];
    return [tableOf(table), ...left];
  });
}

// -- the Pareto front ----------------------------------------------------------------------------------------------

const CRITERIA = { latency: (level) => told(level, state.latency), price: (level) => level[state.price], quality: (level) => { const value = qualityOf(level); return known(value) ? -value : value; } };

// The levels than which no other is at least as good in every criterion and better in one. A level of which a criterion is
// not known is on no front, and keeps no other from it.
function onFront(levels, criteria) {
  const points = levels.map((level) => criteria.map((name) => CRITERIA[name](level)));
  const all = points.map((point) => point.every(known));
  const beats = (one, other) => one.every((value, index) => value <= other[index]) && one.some((value, index) => value < other[index]);
  return new Set(levels.filter((_, index) => all[index] && !points.some((point, other) => all[other] && beats(point, points[index]))));
}

const groupOf = (level) => experimentOf(level)[state.colour] || "not named";
const criteriaNow = () => state.criteria.split(" ");
const criteriaSaid = () => criteriaNow().map((name) => (name === "quality" ? MEASURE : name)).join(", ");

function paretoSpec(xName, yName) {
  const columns = { latency: state.latency, price: state.price, quality: "quality", throughput: "transactions_per_minute" };
  const words = { latency: `${state.latency.replace("_", " ")} (s)`, price: state.price === "price_per_10k_txn" ? "USD per 10,000 requests" : "USD per 1M tokens", quality: MEASURE, throughput: "requests per minute" };
  const levels = newestLevels().filter((level) => level.verdict !== "invalid");
  const both = levels.filter((level) => known(figureOf(level, columns[xName])) && known(figureOf(level, columns[yName])));
  const title = `${capital(yName === "quality" ? MEASURE : yName)} against ${xName}`;
  if (!both.length) return nothing(title, `No level of this selection has both${yName === "quality" || xName === "price" ? "; what is missing is not known, it is not 0" : ""}.`);
  const criteria = criteriaNow(), front = onFront(levels, criteria);
  const groups = distinct(both.map(groupOf));
  const series = groups.map((name, index) => ({
    name, colour: colourOf(index), dash: dashOf(index), line: false,
    points: both.filter((level) => groupOf(level) === name).map((level) => ({
      ...axisX(columns[xName], level), ...axisY(columns[yName], level), verdict: level.verdict, hollow: !front.has(level),
      label: front.has(level) ? `${shorten(experimentOf(level).name, 18)} ${level.short}` : "", tip: siteTip(level, front.has(level) ? `on the front of ${criteriaSaid()}` : null),
    })),
  }));
  if (criteria.length === 2 && criteria.includes(xName) && criteria.includes(yName)) {
    const line = both.filter((level) => front.has(level)).map((level) => ({ x: figureOf(level, columns[xName]), y: figureOf(level, columns[yName]) }));
    series.unshift({ name: "Pareto front", colour: "var(--grey)", points: line.sort((one, other) => one.x - other.x || other.y - one.y), step: true, marks: false, silent: true });
  }
  const left = levels.length - both.length;
  const better = `Further ${xName === "throughput" ? "right" : "left"} and ${yName === "quality" ? "higher" : "lower"} is better`;
  return {
    title, about: `A point per level of each experiment's newest run; filled points are on the front of ${criteriaSaid()}. ${better}; bars are 95% intervals.${left ? ` ${left} of ${levels.length} levels lack one of the two and are not shown.` : ""}`,
    series, signs: ["valid", "degraded"].filter((verdict) => both.some((level) => level.verdict === verdict)),
    x: { title: words[xName] }, y: { title: words[yName], zero: yName === "quality" ? false : undefined, log: yName === "quality" ? false : undefined },
  };
}

function frontTable() {
  const criteria = criteriaNow(), levels = newestLevels().filter((level) => level.verdict !== "invalid");
  const front = [...onFront(levels, criteria)].sort((one, other) => CRITERIA[criteria[0]](one) - CRITERIA[criteria[0]](other));
  const columns = [["model", "text"], ["stack", "text"], ["instance", "text"], ["experiment", "text"], ["load", "text"], [state.latency.replace("_", " "), "seconds"],
    [state.price === "price_per_10k_txn" ? "USD / 10k requests" : "USD / 1M tokens", "usd"], ...(MEASURE ? [[MEASURE, "number"]] : []), ["verdict", "verdict"], ["run", "link"]];
  return {
    id: "front", title: `On the front of ${criteriaSaid()}`, columns: columns.map(([name, kind]) => ({ name, kind })),
    rows: front.map((level) => {
      const { model, stack, instance, name } = experimentOf(level), run = runOf(level);
      return [model, stack, instance, name, level.load, told(level, state.latency), level[state.price], ...(MEASURE ? [qualityOf(level)] : []), level.verdict, [run.title, run.page]];
    }),
  };
}

function criteriaChoices() {
  const priced = LEVELS.some((level) => known(level.price_per_10k_txn));
  const found = [priced ? "latency price" : null, MEASURE && priced ? "latency price quality" : null, MEASURE && priced ? "price quality" : null, MEASURE ? "latency quality" : null].filter(Boolean);
  const choices = found.length ? found : ["latency"];
  if (!choices.includes(state.criteria)) state.criteria = choices[0];
  return choices.map((value) => [value, value.split(" ").join(", ").replace("quality", MEASURE || "quality")]);
}

function ofPareto() {
  const place = section("pareto", "Pareto front", "The levels than which no other is better in one criterion and at least as good in the others. A level without a price or without judged answers is not on a front that asks for it.");
  const prices = [["price_per_10k_txn", "USD per 10,000 requests"], ["price_per_1m_tokens", "USD per 1M tokens"]];
  bar(place,
    choice("Front of", criteriaChoices(), "criteria"),
    choice("Latency", ["latency_p50", "latency_p95", "latency_p99", "TTFT_p95"].map((name) => [name, name.replace("_", " ")]), "latency"),
    choice("Price", prices, "price"),
    choice("Colour by", ["model", "stack", "instance", "name"].map((name) => [name, name === "name" ? "experiment" : name]), "colour"));
  if (MEASURE) {
    const two = grid(place);
    chart(two, "quality_and_price", () => paretoSpec("price", "quality"));
    chart(two, "quality_and_latency", () => paretoSpec("latency", "quality"));
  }
  region(place, () => {
    const table = frontTable();
    return table.rows.length ? [make("h3", {}, table.title), tableOf(table, { filter: false })] : [make("p", { class: "none" }, "No level of this selection has all that the front is of.")];
  });
}
