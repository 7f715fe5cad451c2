// The history of one experiment over its runs, and where it changed.

Object.assign(state, { history: 0, watched: "latency_p95", history_load: "" });

const WATCHED = {
  latency_p95: ["latency p95", "s", 1, seconds], TTFT_p95: ["TTFT p95", "s", 1, seconds], TPOT_p50: ["TPOT p50", "ms", 1000, seconds],
  transactions_per_minute: ["requests per minute", "", 1, significant], price_per_10k_txn: ["USD per 10,000 requests", "", 1, dollars],
  error_rate: ["error rate", "%", 100, percent], quality: [MEASURE || "quality", "", 1, significant],
};

// The levels of a history under a load, in the order of its runs.
function historyLevels(history, key) {
  const own = new Set(history.runs);
  return LEVELS.filter((level) => own.has(level.r) && level.e === history.e && level.d === state.dataset && level.key === key);
}

function historyLoads(history) {
  const own = new Set(history.runs);
  const found = new Map(LEVELS.filter((level) => own.has(level.r) && level.e === history.e && level.d === state.dataset).map((level) => [level.key, level]));
  return [...found.values()].sort((one, other) => one.rate - other.rate || one.at - other.at);
}

// The changes of a history in the chosen series, with the medians on both sides.
function changesOf(history, key, measure) {
  return history.changes.flatMap((change) => change.figures
    .filter((figure) => figure.d === state.dataset && figure.load === key && figure.measure === measure)
    .map((figure) => ({ ...change, ...figure })));
}

function median(values) {
  const sorted = [...values].sort((one, other) => one - other), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function historySpec() {
  const history = DATA.histories[state.history];
  const [said, unit, per] = WATCHED[state.watched];
  const experiment = DATA.experiments[history.e], title = `${capital(said)} of ${experiment.name}`;
  const levels = historyLevels(history, state.history_load).filter((level) => level.verdict !== "invalid" && known(figureOf(level, state.watched)));
  if (!levels.length) return nothing(title, "No run has this figure for the chosen dataset and load.");
  const place = new Map(history.runs.map((run, index) => [run, index]));
  const scaled = (value) => (known(value) ? value * per : null);
  const points = levels.map((level) => ({
    x: place.get(level.r), y: scaled(figureOf(level, state.watched)), ylow: scaled(level[`${state.watched}_low`]), yhigh: scaled(level[`${state.watched}_high`]),
    verdict: level.verdict, tip: siteTip(level),
  })).sort((one, other) => one.x - other.x);
  const changes = changesOf(history, state.history_load, state.watched);
  const ends = [-1, ...changes.map((change) => place.get(change.first) - 0.5), history.runs.length];
  const series = [{ name: said, colour: "var(--c0)", points }];
  ends.slice(1).forEach((end, index) => {
    const inside = points.filter((point) => point.x > ends[index] && point.x < end);
    if (!inside.length || !changes.length) return;
    const middle = median(inside.map((point) => point.y));
    series.push({ name: index ? "" : "median between changes", colour: "var(--c1)", marks: false, silent: true, points: [{ x: inside[0].x, y: middle }, { x: inside.at(-1).x, y: middle }] });
  });
  const step = Math.max(1, Math.ceil(history.runs.length / (window.innerWidth < 720 ? 3 : 8)));
  const ticks = history.runs.map((run, index) => [index, dateOf(RUNS[run]) || String(index + 1)]).filter((_, index) => index % step === 0);
  return {
    title, about: `${titleOf(experiment)}: a point per run that measured ${DATA.datasets[state.dataset]} at ${levels[0].load}, oldest first; bars are 95% intervals.${changes.length ? " Dashed lines are changes." : ""}`,
    series, signs: ["valid", "degraded"].filter((verdict) => points.some((point) => point.verdict === verdict)),
    rules: changes.map((change) => ({ axis: "x", at: place.get(change.first) - 0.5, text: signedShare(change.before, change.after) })),
    x: { title: "runs by date", domain: [-0.5, Math.max(history.runs.length - 0.5, 0.5)], ticks },
    y: { title: unit ? `${said} (${unit})` : said, zero: false, log: false },
  };
}

function signedShare(before, after) {
  if (!known(before) || !known(after) || before === 0) return "changed";
  const share = 100 * (after / before - 1);
  return `${share > 0 ? "+" : ""}${plain(share, 2)}%`;
}

function changeTable() {
  const history = DATA.histories[state.history];
  const rows = history.changes.flatMap((change) => change.figures.map((figure) => {
    const [said, , , format] = WATCHED[figure.measure];
    const [before, after] = [RUNS[change.last], RUNS[change.first]];
    return [[after.title, after.page], dateOf(after), said, `${DATA.datasets[figure.d]}, ${figure.load.replace("-", " ")}`, format(figure.before), format(figure.after),
      signedShare(figure.before, figure.after), figure.p < 0.0001 ? "< 0.0001" : plain(figure.p, 2), [before.title, before.page], change.also.join("; ")];
  }));
  const columns = [["since run", "link"], ["date", "text"], ["figure", "text"], ["level", "text"], ["before", "text"], ["after", "text"], ["change", "text"], ["p", "text"], ["run before", "link"], ["also differs", "text"]];
  return { id: "changes", title: `Changes of ${DATA.experiments[history.e].name}`, columns: columns.map(([name, kind]) => ({ name, kind })), rows };
}

// A choice of the load of the chosen experiment and dataset, whose options change with them.
function loadChoice() {
  const select = make("select", {});
  select.addEventListener("change", () => {
    state.history_load = select.value;
    refresh();
  });
  refreshers.push(() => {
    const loads = historyLoads(DATA.histories[state.history]);
    if (!loads.some((level) => level.key === state.history_load)) state.history_load = loads[Math.floor(loads.length / 2)]?.key ?? "";
    select.replaceChildren(...loads.map((level) => make("option", { value: level.key }, level.load)));
    select.value = state.history_load;
  });
  return make("label", { class: "choice" }, make("span", {}, "Load"), select);
}

function ofHistory() {
  if (!DATA.histories.length) return;
  const place = section("history", "History", "The figures of one experiment, run by run. A change is named where random orders of the runs would seldom fall apart as clearly, corrected for all series of the experiment and for all experiments: where nothing changed anywhere and no run depends on the one before, 5% of sites name a change. The medians tell how much it was, not what changed it.");
  const options = DATA.histories.map((history, index) => {
    const { name, stack, instance } = DATA.experiments[history.e], runs = history.runs.length, changes = history.changes.length;
    return [index, `${shorten([name, stack, instance].filter(Boolean).join(" · "), 60)} (${runs} run${runs > 1 ? "s" : ""}${changes ? `, ${changes} change${changes > 1 ? "s" : ""}` : ""})`];
  });
  const changed = DATA.histories.findIndex((history) => history.changes.length);
  state.history = Math.max(changed, 0);
  const figuresOf = DATA.histories[state.history].changes.flatMap((change) => change.figures);
  const first = figuresOf.find((figure) => figure.d === state.dataset);
  if (first) {
    state.history_load = first.load;
    state.watched = first.measure;
  }
  const figures = Object.entries(WATCHED).filter(([name]) => LEVELS.some((level) => known(figureOf(level, name))));
  bar(place, choice("Experiment", options, "history", Number), loadChoice(), choice("Figure", figures.map(([name, [said]]) => [name, said]), "watched"));
  chart(grid(place, 1), "history_chart", historySpec);
  region(place, () => {
    const history = DATA.histories[state.history], said = make("p", { class: "about" }, history.said);
    return history.changes.length ? [said, tableOf(changeTable(), { filter: false })] : [said];
  });
}
