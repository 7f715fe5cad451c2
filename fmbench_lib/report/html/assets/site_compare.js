// Chosen runs beside each other: their figures with intervals, and what these intervals allow to say.

const PICKED = new Set();
const LEAST_ERROR = 1e-3; // of a logarithm, as in `fmbench compare`
const Z95 = 1.959964, Z80 = 0.841621;

// Figures that are compared: name, whether less is better (null: neither), whether it is a figure of whole requests, format.
const COMPARED = {
  latency_p50: ["latency p50", true, true, seconds], latency_p95: ["latency p95", true, true, seconds],
  TTFT_p50: ["TTFT p50", true, false, seconds], TTFT_p95: ["TTFT p95", true, false, seconds], TPOT_p50: ["TPOT p50", true, false, seconds],
  transactions_per_minute: ["requests per minute", false, true, significant],
  completion_token_throughput: ["output tokens per second", false, false, significant],
  price_per_10k_txn: ["USD per 10,000 requests", true, true, dollars],
};

// Which experiment of a run is compared with one of the base: that of its name, else the only one of its model and instance.
function partnerOf(e, base, other) {
  const experiments = (run) => [...new Set(run.levels.map((level) => level.e))];
  const mine = DATA.experiments[e];
  const named = experiments(other).filter((one) => DATA.experiments[one].name === mine.name);
  if (named.length) return named[0];
  if (experiments(base).some((one) => experiments(other).some((two) => DATA.experiments[one].name === DATA.experiments[two].name))) return null;
  if (experiments(base).length === 1 && experiments(other).length === 1) return experiments(other)[0];
  const alike = (one) => mine.model && DATA.experiments[one].model === mine.model && DATA.experiments[one].instance === mine.instance;
  const [here, there] = [experiments(base).filter(alike), experiments(other).filter(alike)];
  return here.length === 1 && there.length === 1 ? there[0] : null;
}

// Prompts may differ between runs that are compared; that is said then.
const fileName = (dataset) => DATA.datasets[dataset].replace(/ \(prompts [^)]*\)$/, "");
const fileOf = (level) => fileName(level.d);

// The levels of the chosen dataset that both runs have, under the same load.
function pairsOf(base, other) {
  return base.levels.filter((level) => fileOf(level) === fileName(state.dataset)).flatMap((level) => {
    const e = partnerOf(level.e, base, other);
    const partner = e === null ? null : other.levels.find((one) => one.e === e && one.key === level.key && fileOf(one) === fileOf(level));
    return partner ? [[level, partner]] : [];
  });
}

// What differs in how two levels were measured.
function notesOf(one, other) {
  const [a, b] = [experimentOf(one), experimentOf(other)], [run, later] = [runOf(one), runOf(other)];
  const facts = [["experiment", a.name, b.name], ["model", a.model, b.model], ["stack", a.stack, b.stack], ["instance", a.instance, b.instance], ["fmbench", run.fmbench, later.fmbench], ["client", run.client, later.client], ["prompts", DATA.datasets[one.d], DATA.datasets[other.d]], ["verdict", one.verdict, other.verdict]];
  return facts.filter(([, left, right]) => left !== right).map(([name, left, right]) => `${name}: ${left || "unknown"} → ${right || "unknown"}`);
}

const apartBy = (column, one, other) => known(one[column]) && known(other[column]) && Math.abs(Math.log(one[column] / other[column])) > Math.log(1.05);

// The standard error of a logarithm, from the ends of a 95% interval; an end that is not known lies as far as the other.
function errorOf(level, column) {
  const value = level[column];
  const spans = [level[`${column}_low`], level[`${column}_high`]].filter((end) => known(end) && end > 0).map((end) => Math.abs(Math.log(end / value)));
  if (!(value > 0) || !spans.length) return null;
  return Math.max(spans.reduce((sum, span) => sum + span, 0) / spans.length / Z95, LEAST_ERROR);
}

// Why nothing is said of a figure, empty where something can be.
function whyNone(one, other, column) {
  const [, , whole] = COMPARED[column];
  if (!known(one[column]) || !known(other[column])) return "not known of both";
  if ([one, other].some((level) => level.verdict === "invalid")) return "a measurement is invalid";
  if (TIMES.includes(column) && (one.none || other.none)) return "a queue grew";
  if (whole && (apartBy("completion_token_count_mean", one, other) || apartBy("prompt_token_count_mean", one, other))) return "different work: tokens differ by more than 5%";
  if (errorOf(one, column) === null || errorOf(other, column) === null) return "no interval: too few requests";
  return "";
}

// Twice the upper tail of a normal distribution (Numerical Recipes, erfc by Chebyshev fitting; relative error below 1.2e-7).
function twoSided(z) {
  const x = Math.abs(z) / Math.SQRT2, t = 1 / (1 + 0.5 * x);
  const terms = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277];
  return t * Math.exp(-x * x + terms.reduceRight((sum, term) => sum * t + term, 0));
}

function effectOf(one, other, column) {
  const error = Math.hypot(errorOf(one, column), errorOf(other, column));
  const middle = Math.log(other[column] / one[column]);
  return { change: Math.expm1(middle), low: Math.expm1(middle - Z95 * error), high: Math.expm1(middle + Z95 * error), p: twoSided(middle / error), visible: Math.expm1((Z95 + Z80) * error) };
}

// Holm's correction of all p-values that are claimed together.
function corrected(claims) {
  const ordered = claims.filter((claim) => claim.effect).sort((one, other) => one.effect.p - other.effect.p);
  let most = 0;
  ordered.forEach((claim, place) => {
    most = Math.max(most, Math.min(1, claim.effect.p * (ordered.length - place)));
    claim.p = most;
  });
  return claims;
}

function claimsOf(runs) {
  const [base, ...others] = runs;
  return corrected(others.flatMap((run) => pairsOf(base, run).flatMap(([one, other]) => Object.keys(COMPARED)
    .filter((column) => known(one[column]) || known(other[column]))
    .map((column) => {
      const why = whyNone(one, other, column);
      return { run, one, other, column, why, effect: why ? null : effectOf(one, other, column), p: null };
    }))));
}

const percentChange = (value) => `${value > 0 ? "+" : ""}${plain(100 * value, 2)}%`;

function findingOf({ column, why, effect, p }) {
  if (why) return why;
  if (p >= 0.05) return `no difference that these intervals can show, they could have seen ${plain(100 * effect.visible, 2)}%`;
  const better = (effect.change < 0) === COMPARED[column][1];
  return `${better ? "better" : "worse"} (p ${p < 0.0001 ? "< 0.0001" : plain(p, 2)})`;
}

function comparisonTable(runs, claims) {
  const several = runs.length > 2;
  const columns = [["experiment", "text"], ["load", "text"], ["figure", "text"], ["base", "text"], [several ? "other run" : "this run", "text"], ["change", "text"], ["finding", "text"], ["run", "link"]];
  const short = (level, column, format) => estimateOf(level, column, format).replace("(95% CI ", "(");
  return {
    id: "comparison", title: `Beside ${runs[0].title}`, columns: columns.map(([name, kind]) => ({ name, kind })),
    rows: claims.map((claim) => {
      const [said, , , format] = COMPARED[claim.column];
      const { one, other, effect } = claim;
      const names = [...new Set([experimentOf(one).name, experimentOf(other).name])].join(" → ");
      return [names, other.load, said, short(one, claim.column, format), short(other, claim.column, format),
        effect ? `${percentChange(effect.change)} (${percentChange(effect.low)} to ${percentChange(effect.high)})` : "", findingOf(claim), [claim.run.title, claim.run.page]];
    }),
  };
}

function comparedSpec(runs) {
  const series = [];
  for (const run of runs) {
    for (const e of new Set(run.levels.map((level) => level.e))) {
      const own = run.levels.filter((level) => level.e === e && !level.none && level.verdict !== "invalid" && fileOf(level) === fileName(state.dataset));
      const points = own.filter((level) => known(level.transactions_per_minute) && known(level.latency_p95)).sort((one, other) => one.rate - other.rate || one.at - other.at).map((level) => ({ ...axisX("transactions_per_minute", level), ...axisY("latency_p95", level), verdict: level.verdict, label: level.short, tip: siteTip(level) }));
      if (points.length) series.push({ name: `${run.title} ${DATA.experiments[e].name}`, colour: colourOf(series.length), dash: dashOf(series.length), points });
    }
  }
  const title = "Latency p95 against throughput of the chosen runs";
  if (!series.length) return nothing(title, "The chosen runs have no level of the chosen dataset with both.");
  return { title, about: `${DATA.datasets[state.dataset]}: a line per run and experiment, a point per load. Further right and lower is better; bars are 95% intervals.`, series, signs: [], x: { title: "requests per minute" }, y: { title: "latency p95 (s)" } };
}

// The chosen runs, the base first, each with a button that takes it away or makes it the base.
function pickedList() {
  const items = [...PICKED].map((index, place) => {
    const run = RUNS[index], remove = make("button", { type: "button", "aria-label": `Take ${run.title} out of the comparison` }, "Remove");
    remove.addEventListener("click", () => pick(index, false));
    const base = make("button", { type: "button", "aria-label": `Compare with ${run.title}` }, "Make it the base");
    base.addEventListener("click", () => {
      const rest = [...PICKED].filter((one) => one !== index);
      PICKED.clear();
      [index, ...rest].forEach((one) => PICKED.add(one));
      refresh();
    });
    return make("li", {}, linkOf([run.title, run.page]), place ? " " : " (base) ", place ? base : null, place ? " " : null, remove);
  });
  return make("ul", { class: "picked" }, ...items);
}

function pick(index, wanted) {
  if (wanted) PICKED.add(index);
  else PICKED.delete(index);
  refresh();
}

function addChoice() {
  const select = make("select", {});
  select.addEventListener("change", () => { if (select.value) pick(Number(select.value), true); });
  refreshers.push(() => {
    const others = runsInSight().filter((run) => run.levels.length && !PICKED.has(run.index)).reverse();
    select.replaceChildren(make("option", { value: "" }, `choose of ${others.length}`), ...others.map((run) => make("option", { value: run.index }, run.title)));
  });
  return make("label", { class: "choice" }, make("span", {}, "Add a run"), select);
}

function comparison() {
  const runs = [...PICKED].map((index) => RUNS[index]);
  if (runs.length < 2) return [make("p", { class: "none" }, runs.length ? "Choose another run to set beside it." : "Choose two runs or more, here or in the list of runs below.")];
  const claims = claimsOf(runs);
  const notes = runs.slice(1).flatMap((run) => {
    const pairs = pairsOf(runs[0], run), said = [...new Set(pairs.flatMap(([one, other]) => notesOf(one, other)))];
    const only = pairs.length ? "" : "no level of this dataset in common";
    return said.length || only ? [make("li", {}, `${run.title}: ${only}${said.join("; ")}`)] : [];
  });
  const parts = notes.length ? [make("h3", {}, "What differs in how they were measured"), make("ul", {}, ...notes)] : [];
  if (claims.length) parts.push(tableOf(comparisonTable(runs, claims)));
  const command = make("code", {}, `fmbench compare ${runs.map((run) => run.title).join(" ")}`);
  return [...parts, make("p", { class: "about" }, "From single requests and repeats, with a test of the whole distribution: ", command)];
}

function ofComparison() {
  const place = section("compare", "Comparison", "Any runs beside the first of them, for the chosen dataset; intervals are of 95%. A change is “better” or “worse” where its p-value, corrected for all figures of the table, is below 0.05. The intervals are those within each run: they speak of these measurements, and do not know how a machine differs from one day to the next.");
  bar(place, addChoice());
  region(place, () => (PICKED.size ? [pickedList()] : []));
  const figure = grid(place, 1);
  const plot = new Plot(figure, "compared");
  refreshers.push(() => {
    plot.figure.hidden = PICKED.size < 2;
    if (PICKED.size > 1) plot.update(comparedSpec([...PICKED].map((index) => RUNS[index])));
  });
  region(place, comparison);
}
