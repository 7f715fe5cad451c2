// The data of the site, and what is selected of it.

const DATA = JSON.parse(document.getElementById("data").textContent);
const LEVELS = DATA.levels.rows.map((row, index) => ({
  ...Object.fromEntries(DATA.levels.columns.map((name, column) => [name, row[column]])),
  ...DATA.levels.about[index],
  index,
}));
const RUNS = DATA.runs.map((run, index) => ({ ...run, index, levels: LEVELS.filter((level) => level.r === index) }));
const DAY = 86400;

// The dataset that most runs have measured.
const FIRST_DATASET = (() => {
  const runs = DATA.datasets.map((_, d) => new Set(LEVELS.filter((level) => level.d === d).map((level) => level.r)).size);
  return Math.max(0, runs.indexOf(Math.max(...runs, 0)));
})();

const state = {
  dataset: FIRST_DATASET, model: "", stack: "", instance: "", verdict: "degraded", since: "", tag: "",
};

const experimentOf = (level) => DATA.experiments[level.e];
const runOf = (level) => RUNS[level.r];
const dateOf = (run) => (known(run.at) ? new Date(run.at * 1000).toISOString().slice(0, 10) : "");
const distinct = (values) => [...new Set(values.filter(Boolean))].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
const VERDICTS = { valid: ["valid"], degraded: ["valid", "degraded"], all: ["valid", "degraded", "invalid"] };

// Runs and levels that the filters leave. A run is there where any of its experiments is.
function isMeant(experiment) {
  return ["model", "stack", "instance"].every((name) => !state[name] || experiment[name] === state[name]);
}

function runsInSight() {
  const since = state.since ? Date.parse(`${state.since}T00:00:00Z`) / 1000 : -Infinity;
  const dated = (run) => !state.since || (known(run.at) && run.at >= since);
  const anything = !state.model && !state.stack && !state.instance;
  return RUNS.filter((run) => dated(run) && (!state.tag || run.tags.includes(state.tag))
    && (anything || run.experiments.some((e) => isMeant(DATA.experiments[e]))));
}

function levelsInSight(runs = runsInSight()) {
  const wanted = state.verdict === "all" ? null : VERDICTS[state.verdict];
  return runs.flatMap((run) => run.levels).filter((level) => isMeant(experimentOf(level)) && (!wanted || wanted.includes(level.verdict)));
}

// Of each experiment the levels of the newest run that has any of the chosen dataset.
function newestLevels() {
  const own = levelsInSight().filter((level) => level.d === state.dataset);
  const newest = new Map();
  for (const level of own) newest.set(level.e, Math.max(newest.get(level.e) ?? -1, level.r));
  return own.filter((level) => newest.get(level.e) === level.r);
}

function titleOf(experiment) {
  return [experiment.model, experiment.stack, experiment.instance].filter(Boolean).join(" · ") || experiment.name;
}

function siteTip(level, ...first) {
  const experiment = experimentOf(level), run = runOf(level);
  const lines = [
    `${experiment.name}: ${titleOf(experiment)}`,
    [level.load, DATA.datasets[level.d]].join(" · "),
    ...first,
    `latency p95 ${level.none ? level.none : estimateOf(level, "latency_p95", seconds)}, n = ${count(level.successes)}`,
    known(level.TTFT_p95) ? `TTFT p95 ${level.none ? level.none : estimateOf(level, "TTFT_p95", seconds)}` : null,
    `${estimateOf(level, "transactions_per_minute", significant)} requests/min`,
    known(level.price_per_10k_txn) ? `${dollars(level.price_per_10k_txn)} per 10,000 requests` : "no price",
    known(level.quality) ? `${level.measure} ${estimateOf(level, "quality", significant)}, n = ${count(level.quality_n)}` : null,
    `measurement ${level.verdict}${level.reason ? `: ${shorten(level.reason, 110)}` : ""}`,
    `${run.title}${dateOf(run) ? `, ${dateOf(run)}` : ""}`,
  ];
  return [...new Set(lines.filter(Boolean))];
}

// -- the filters --------------------------------------------------------------------------------------------------

function siteFilters() {
  const place = document.getElementById("filters");
  const all = (name, values) => choice(capital(name), [["", "all"], ...values.map((value) => [value, shorten(value, 36)])], name);
  const used = [...new Set(LEVELS.map((level) => level.e))].map((e) => DATA.experiments[e]);
  const experiments = used.length ? used : DATA.experiments;
  if (DATA.datasets.length > 1) place.append(choice("Dataset", DATA.datasets.map((name, index) => [index, shorten(name, 36)]), "dataset", Number));
  for (const name of ["model", "stack", "instance"]) {
    const values = distinct(experiments.map((one) => one[name]));
    if (values.length) place.append(all(name, values));
  }
  place.append(choice("Verdict", [["valid", "valid"], ["degraded", "valid or degraded"], ["all", "any"]], "verdict"));
  const tags = distinct(DATA.runs.flatMap((run) => run.tags));
  if (tags.length) place.append(all("tag", tags));
  const since = make("input", { type: "date" });
  since.addEventListener("change", () => {
    state.since = since.value;
    refresh();
  });
  refreshers.push(() => { since.value = state.since; });
  place.append(make("label", { class: "choice" }, make("span", {}, "Since"), since));
  const reset = make("button", { type: "button", id: "reset-filters" }, "Reset");
  reset.addEventListener("click", () => {
    Object.assign(state, { dataset: FIRST_DATASET, model: "", stack: "", instance: "", verdict: "degraded", since: "", tag: "" });
    refresh();
  });
  place.append(reset);
}
