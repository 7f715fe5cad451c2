// The data of the page, what is selected of it, and the charts of levels.

const DATA = JSON.parse(document.getElementById("data").textContent);
const LEVELS = DATA.levels.rows.map((row, index) => ({
  ...Object.fromEntries(DATA.levels.columns.map((name, column) => [name, row[column]])),
  ...DATA.levels.about[index],
  index,
}));
const { marked } = DATA.levels;
const CHOSEN = LEVELS[marked.winner ?? marked.nearest ?? 0];
const FIRST_DATASET = DATA.dataset ?? 0;
const state = {
  dataset: FIRST_DATASET,
  shown: new Set(DATA.experiments.map((_, index) => index)),
  rate: CHOSEN ? CHOSEN.rate : false,
  q: "p95",
  per: "tokens_per_usd_hour",
};

const nameOf = (level) => DATA.experiments[level.e].name;
const datasetOf = (level) => DATA.datasets[level.d];
const inSight = () => LEVELS.filter((level) => level.d === state.dataset && state.shown.has(level.e));

const MEASURES = { TTFT: "time to first token", TPOT: "time per output token", latency: "latency" };

// The figures of a level, a line each.
function tipOf(level, ...first) {
  const lines = [
    nameOf(level),
    [level.load, datasetOf(level), DATA.experiments[level.e].instance].filter((part) => part && part !== MISSING).join(" · "),
    ...first,
    `latency p95 ${estimateOf(level, "latency_p95", seconds)}, n = ${count(level.latency_n ?? level.successes)}`,
    known(level.TTFT_p95) ? `TTFT p95 ${estimateOf(level, "TTFT_p95", seconds)}` : null,
    `${estimateOf(level, "transactions_per_minute", significant)} requests/min`,
    known(level.price_per_10k_txn) ? `${dollars(level.price_per_10k_txn)} per 10,000 requests` : null,
    `${percent(level.error_rate)} errors of ${count(level.requests)} requests`,
    `measurement ${level.verdict}${level.reasons.length ? `: ${shorten(level.reasons[0], 120)}` : ""}`,
    level.misses.length ? `misses a budget: ${level.misses.join(", ").replaceAll("_", " ")}` : null,
  ];
  return [...new Set(lines.filter(Boolean))];
}

// A line for each experiment and kind of load, with a point for each level that has both values.
function linesOf(levels, pointOf) {
  const series = [];
  for (const [e] of DATA.experiments.entries()) {
    for (const rate of [false, true]) {
      const own = levels.filter((level) => level.e === e && level.rate === rate).sort((one, other) => one.at - other.at);
      const points = own.map((level) => ({ ...base(level), ...pointOf(level) })).filter((point) => known(point.x) && known(point.y));
      const both = levels.some((level) => level.e === e && level.rate !== rate);
      if (points.length) {
        series.push({ name: DATA.experiments[e].name + (rate && both ? " (rates)" : ""), colour: colourOf(e), dash: dashOf(e), points });
      }
    }
  }
  return series;
}

function base(level) {
  return {
    verdict: level.verdict, hollow: level.misses.length > 0, ring: level.index === marked.winner || DATA.tied.includes(level.index), label: level.short,
    tip: tipOf(level),
  };
}

// The level with the best value, in words, marked ≈ where it should have an interval and has none; another experiment
// whose interval overlaps its own is named too.
function leader(levels, column, { least = false, format, what }) {
  const usable = levels.filter((level) => known(level[column]) && level.verdict !== "invalid");
  if (!usable.length) return null;
  const better = (one, other) => (least ? one[column] - other[column] : other[column] - one[column]);
  const [best, ...others] = [...usable].sort(better);
  const rivals = others.filter((level) => level.e !== best.e);
  const near = rivals.find((level) => level[column] === best[column] || overlap(level, best, column));
  const where = DATA.experiments.length > 1 ? `${shorten(nameOf(best), 40)} at ${best.load}` : best.load;
  const mark = DATA.levels.columns.includes(`${column}_low`) && !known(best[`${column}_low`]) ? "≈ " : "";
  const doubt = !near ? "" : near[column] === best[column] ? `, as ${shorten(nameOf(near), 30)}` : `; within the noise of ${shorten(nameOf(near), 30)}`;
  return `${what}: ${mark}${format(best[column])}, ${where}${doubt}`;
}

const perTimes = () => DATA.transactions / 10000;
const costTitle = () => `USD per ${DATA.transactions.toLocaleString("en-US")} requests`;

function priceSpec() {
  const levels = inSight();
  const priced = levels.some((level) => known(level.price_per_10k_txn));
  const series = linesOf(levels, (level) => {
    const cost = Object.fromEntries(Object.entries(axisY("price_per_10k_txn", level)).map(([name, value]) => [name, known(value) ? value * perTimes() : null]));
    return { ...axisX("latency_p95", level), ...(priced ? cost : axisY("transactions_per_minute", level)) };
  });
  const title = priced ? "Price and performance" : "Throughput and latency (no level has a price)";
  if (!series.length) return nothing(title, "No level of this selection has both a latency and a figure to set it against.");
  const { budgets } = DATA;
  const cost = known(budgets.price_per_10k_txn) && priced ? budgets.price_per_10k_txn * perTimes() : null;
  const rules = [];
  if (known(budgets.latency_p95)) rules.push({ axis: "x", at: budgets.latency_p95, text: `budget ${plain(budgets.latency_p95)} s` });
  if (known(cost)) rules.push({ axis: "y", at: cost, text: `budget ${dollars(cost)}` });
  const winner = levels.find((level) => level.index === marked.winner);
  const equals = levels.filter((level) => DATA.tied.includes(level.index));
  const finding = winner && equals.length
    ? `Within the noise of each other: ${together([winner, ...equals].map((level) => `${shorten(nameOf(level), 30)} at ${level.load}`))}`
    : winner ? `Chosen: ${shorten(nameOf(winner), 40)} at ${winner.load}, p95 ${seconds(winner.latency_p95)}${priced ? `, ${dollars(winner.price_per_10k_txn * perTimes())} per ${DATA.transactions.toLocaleString("en-US")}` : ""}`
    : state.dataset === FIRST_DATASET && marked.winner === null ? "No level meets every budget" : title;
  const left = levels.length - series.reduce((sum, one) => sum + one.points.length, 0);
  return {
    title: finding,
    about: `${title} for ${DATA.datasets[state.dataset]}: a point per level, labelled with its load. Further left is faster, ${priced ? "lower is cheaper" : "higher is more"}; bars are 95% intervals.${left ? ` ${left} level${left > 1 ? "s" : ""} without ${priced ? "a price or " : ""}a success not shown.` : ""}`,
    series, rules, signs: signsOf(series),
    x: { title: "latency p95 (s)", budget: budgets.latency_p95 },
    y: { title: priced ? costTitle() : "requests per minute", budget: cost },
  };
}

function curveSpec() {
  const levels = inSight(), column = `latency_${state.q}`;
  const series = linesOf(levels, (level) => ({ ...axisX("transactions_per_minute", level), ...axisY(column, level) }));
  if (!series.length) return nothing("Latency against throughput", "No level of this selection has both.");
  const budget = DATA.budgets[column];
  return {
    title: leader(levels, "transactions_per_minute", { format: (value) => `${significant(value)} requests/min`, what: "Most throughput" }) || "Latency against throughput",
    about: `Latency ${state.q} against throughput, a line per experiment, a point per load. Further right and lower is better; bars are 95% intervals.`,
    series, signs: signsOf(series),
    rules: known(budget) ? [{ axis: "y", at: budget, text: `budget ${plain(budget)} s` }] : [],
    x: { title: "requests per minute" }, y: { title: `latency ${state.q} (s)`, budget },
  };
}

const PER = {
  tokens_per_accelerator: "tokens/s per accelerator (GPU)", tokens_per_usd_hour: "tokens/s per USD an hour",
  completion_token_throughput: "tokens/s in all",
};

function paceSpec() {
  const levels = inSight();
  const series = linesOf(levels, (level) => ({ ...axisX("tokens_per_user", level), ...axisY(state.per, level) }));
  const title = "What one user gets against what the machine delivers";
  if (!series.length) return nothing(title, state.per === "completion_token_throughput" ? "Nothing of this selection was streamed token by token." : `No level has both a pace and ${PER[state.per]}: that needs streamed answers and a price${state.per === "tokens_per_accelerator" ? " per hour with the number of accelerators" : ""}.`);
  return {
    title: leader(levels, state.per, { format: (value) => `${significant(value)} ${PER[state.per]}`, what: "Most" }) || title,
    about: "Tokens per second of one user (1 / TPOT p50) against output tokens per second of what is paid for. Further right and higher is better.",
    series, signs: signsOf(series), x: { title: "tokens/s per user" }, y: { title: PER[state.per] },
  };
}

const loadTitle = () => (state.rate ? "requests per second offered" : "requests in flight");
const ofKind = (levels) => levels.filter((level) => level.rate === state.rate);

function loadTicks(levels) {
  const at = [...new Set(levels.map((level) => level.at).filter(known))].sort((one, other) => one - other);
  return at.length <= 9 ? at.map((value) => [value, plain(value)]) : undefined;
}

// One figure against the load: `columns` of `estimate` and format.
function byLoad(column, title, y, { what, format, per = 1, least = true, empty, rules = [] }) {
  const levels = ofKind(inSight());
  const scaled = (point) => Object.fromEntries(Object.entries(point).map(([name, value]) => [name, known(value) ? value * per : null]));
  const series = linesOf(levels, (level) => ({ x: level.at, ...scaled(axisY(column, level)) }));
  const elsewhere = !levels.length && inSight().length;
  if (!series.length) return nothing(title, elsewhere ? "These levels have the other kind of load: choose it under “By load”." : empty);
  return {
    title: leader(levels, column, { least, format, what }) || title,
    about: title, series, rules, signs: signsOf(series),
    x: { title: loadTitle(), ticks: loadTicks(levels), kind: wide(levels.map((level) => level.at)) ? "log" : "linear", zero: false },
    y: { title: y, budget: rules[0]?.at },
  };
}

function timeByLoad(measure) {
  const column = `${measure}_${state.q}`, per = measure === "TPOT" ? 1000 : 1, budget = DATA.budgets[column];
  const rules = known(budget) ? [{ axis: "y", at: budget * per, text: `budget ${plain(budget * per)} ${per > 1 ? "ms" : "s"}` }] : [];
  return byLoad(column, `${capital(MEASURES[measure])}, ${state.q}, by load`, `${measure} ${state.q} (${per > 1 ? "ms" : "s"})`, {
    what: `Least ${measure} ${state.q}`, format: seconds, per, rules,
    empty: measure === "latency" ? "No request of this selection succeeded." : `Nothing of this selection was streamed, so there is no ${measure}.`,
  });
}

function goodputSpecs() {
  const limits = Object.entries(DATA.objectives || {}).filter(([, limit]) => known(limit)).map(([name, limit]) => `${name === "latency" ? name : name.toUpperCase()} ≤ ${seconds(limit)}`);
  const none = "No objective of single requests is set (`slo` in the config), so there is no goodput.";
  if (!limits.length) return [nothing("Goodput", none)];
  const within = `within ${limits.join(" and ")}`;
  const empty = "No level of this selection says how many requests were within the objectives.";
  const share = byLoad("slo_attainment", `Requests ${within}`, "share of requests (%)", { what: "Largest share within", format: percent, per: 100, least: false, empty });
  if (!share.empty) share.y.domain = [0, 104];
  return [byLoad("goodput", `Requests per second ${within}`, "goodput (requests/s)", { what: "Most goodput", format: (value) => `${significant(value)}/s`, least: false, empty }), share];
}

function costSpecs() {
  const empty = "No level of this selection has a price. Give the price of its instance type or model in `pricing`.";
  return [
    byLoad("price_per_10k_txn", "Cost of 10,000 requests by load", "USD per 10,000 requests", { what: "Cheapest", format: (value) => `${dollars(value)} per 10,000 requests`, empty }),
    byLoad("price_per_1m_tokens", "Cost of 1,000,000 tokens by load, prompt and answer together", "USD per 1M tokens", { what: "Cheapest", format: (value) => `${dollars(value)} per 1M tokens`, empty }),
  ];
}

function qualitySpec(chart) {
  const points = chart.points.filter((point) => state.shown.has(point.e));
  const series = DATA.experiments.map((experiment, e) => ({
    name: experiment.name, colour: colourOf(e), line: false,
    points: points.filter((point) => point.e === e).map((point) => ({
      x: point.x, y: point.y, ylow: point.low, yhigh: point.high, hollow: !point.front, label: point.label, verdict: "valid",
      tip: [experiment.name, ...point.said, known(point.n) ? `n = ${count(point.n)} questions` : null].filter(Boolean),
    })),
  })).filter((one) => one.points.length);
  if (!series.length) return nothing(chart.title, "No level of this selection was evaluated.");
  const front = points.filter((point) => point.front).sort((one, other) => one.x - other.x).map(({ x, y }) => ({ x, y }));
  series.unshift({ name: "Pareto front", colour: "var(--grey)", points: front, step: true, marks: false, silent: true });
  return {
    title: chart.title, about: "A point per level, labelled with its load; filled points are on the Pareto front. Bars are 95% intervals.",
    series, rules: known(chart.budget) ? [{ axis: "y", at: chart.budget, text: chart.budget_said }] : [],
    x: { title: chart.x_title }, y: { title: chart.y_title, zero: false, budget: chart.budget, log: false },
  };
}
