// The charts of single requests, of the machine and of failures.

const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];

function dark() {
  const { theme } = document.documentElement.dataset;
  if (theme) return theme === "dark";
  return window.matchMedia("(prefers-color-scheme: dark)").matches && !window.matchMedia("print").matches;
}

// A colour between the ends of a scale that anyone can read, for a share from 0 to 1: clear of the background.
function shade(share) {
  const at = (dark() ? 0.25 + 0.75 * share : 0.88 - 0.88 * share) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const part = (colour, index) => parseInt(colour.slice(1 + 2 * index, 3 + 2 * index), 16);
  const mix = [0, 1, 2].map((index) => Math.round(part(VIRIDIS[low], index) + (part(VIRIDIS[low + 1], index) - part(VIRIDIS[low], index)) * (at - low)));
  return `rgb(${mix.join(" ")})`;
}

// Whether black is clearer on a colour than white, by the relative luminance of the WCAG.
function bright(colour) {
  const [red, green, blue] = colour.match(/\d+/g).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179;
}

const ALL_LOADS = [...new Map(LEVELS.map((level) => [level.load, level])).values()].sort((one, other) => one.rate - other.rate || one.at - other.at);

// -- by prompt length --------------------------------------------------------------------------------------------

state.length_load = CHOSEN?.load ?? "";

function lengthSpec(measure) {
  const column = `${measure}_${state.q}`, per = measure === "TPOT" ? 1000 : 1, unit = per > 1 ? "ms" : "s";
  const levels = LEVELS.filter((level) => level.load === state.length_load && state.shown.has(level.e));
  const title = `${capital(MEASURES[measure])} by prompt length`;
  const lines = DATA.experiments.map((experiment, e) => {
    const own = levels.filter((level) => level.e === e && known(level.prompt_token_count_mean) && known(level[column]));
    const points = own.sort((one, other) => one.prompt_token_count_mean - other.prompt_token_count_mean).map((level) => ({
      ...base(level), ring: false, label: "", x: level.prompt_token_count_mean,
      ...Object.fromEntries(Object.entries(axisY(column, level)).map(([name, value]) => [name, known(value) ? value * per : null])),
    }));
    return { name: experiment.name, colour: colourOf(e), dash: dashOf(e), points };
  }).filter((one) => one.points.length);
  if (!lines.length) return nothing(title, `No level at ${state.length_load} has a ${measure} and a known prompt length.`);
  const at = ["latency", "TTFT", "TPOT"].indexOf(measure) + 2;
  const wanted = new Map(levels.map((level) => [level.index, level]));
  const dots = DATA.experiments.map((experiment, e) => ({
    colour: colourOf(e), dots: true, line: false,
    points: DATA.points.points.filter((point) => wanted.get(point[0])?.e === e && known(point[at])).map((point) => ({
      x: point[1], y: point[at] * per,
      tip: [experiment.name, "one request", `${count(point[1])} prompt tokens`, `${measure} ${seconds(point[at])}`],
    })),
  })).filter((one) => one.points.length);
  const shown = dots.reduce((sum, one) => sum + one.points.length, 0);
  const line = lines.find((one) => one.name === DATA.experiments[CHOSEN.e].name) || lines[0];
  const ends = [line.points[0], line.points.at(-1)].map((point) => `${seconds(point.y / per)} at ${count(point.x)}`);
  const named = DATA.experiments.length > 1 ? `${shorten(line.name, 32)}: ` : "";
  return {
    title: `${named}${measure} ${state.q} ${line.points.length > 1 ? ends.join(", ") : ends[0]} prompt tokens`,
    signs: signsOf(lines),
    about: `${title}. Lines: ${state.q} of each dataset at ${state.length_load}, at its mean prompt length. Dots: ${count(shown)} of its requests.`,
    series: [...dots, ...lines], x: { title: "prompt tokens", log: false }, y: { title: `${measure} (${unit})` },
  };
}

// -- distributions -----------------------------------------------------------------------------------------------

const beside = CHOSEN ? LEVELS.filter((level) => level.load === CHOSEN.load && level.d === CHOSEN.d).length : 0;
Object.assign(state, {
  ecdf: "latency", tail: "share",
  ecdf_lines: CHOSEN ? (beside > 1 ? `load ${CHOSEN.load}` : `experiment ${CHOSEN.e}`) : "",
});

function ecdfSpec() {
  const byLoads = state.ecdf_lines.startsWith("experiment ");
  const rest = state.ecdf_lines.slice(state.ecdf_lines.indexOf(" ") + 1);
  const chosen = byLoads
    ? LEVELS.filter((level) => level.d === state.dataset && level.e === Number(rest)).sort((one, other) => one.rate - other.rate || one.at - other.at)
    : inSight().filter((level) => level.load === rest);
  const levels = chosen.filter((level) => DATA.distributions[level.index][state.ecdf]);
  const title = `Distribution of ${MEASURES[state.ecdf]}`, median = `${state.ecdf}_p50`;
  if (!levels.length) return nothing(title, `No request of this selection has a ${state.ecdf}.`);
  const tail = state.tail === "tail";
  const series = levels.map((level, index) => {
    const { n, ranks, values } = DATA.distributions[level.index][state.ecdf];
    const name = byLoads ? level.load : nameOf(level);
    const points = values.map((value, place) => ({
      x: value, y: tail ? (ranks[place] - 0.5) / n : ranks[place] / n,
      tip: [nameOf(level), level.load, `${count(ranks[place])} of n = ${count(n)} (${percent(ranks[place] / n)}) took at most ${seconds(value)}`],
    }));
    return { name, points, marks: false, colour: byLoads ? shade(levels.length > 1 ? index / (levels.length - 1) : 0.6) : colourOf(level.e), dash: byLoads ? Number(level.rate) : dashOf(level.e) };
  });
  const most = Math.max(...series.flatMap((one) => one.points.map((point) => point.y)));
  return {
    title: `Half of the requests within: ${levels.slice(0, 5).map((level, index) => `${shorten(series[index].name, 24)} ${seconds(level[median])}`).join(", ")}${levels.length > 5 ? ", …" : ""}`,
    about: `${title}${byLoads ? ` by load, ${shorten(nameOf(levels[0]), 50)}` : ` at ${rest}`}: the share of successful requests that took at most so long. ${tail ? "The vertical axis opens the tail: each step up leaves a tenth of the requests." : "The slowest requests are all there: choose “tail” to see them apart."}`,
    series, signs: [],
    x: { title: `${state.ecdf} (s)`, zero: false },
    y: tail ? { title: "share of requests", kind: "tail", domain: [0, Math.min(0.99999, 1 - (1 - most) / 1.5)], format: percent } : { title: "share of requests", domain: [0, 1.02], format: percent },
  };
}

// -- heat map ----------------------------------------------------------------------------------------------------

const HEAT = {
  latency_p95: ["latency p95", seconds], latency_p50: ["latency p50", seconds], TTFT_p95: ["TTFT p95", seconds], TPOT_p95: ["TPOT p95", seconds],
  transactions_per_minute: ["requests/min", significant], completion_token_throughput: ["tokens/s", significant],
  price_per_10k_txn: ["USD per 10k requests", dollars], error_rate: ["error rate", percent],
};
state.heat = "latency_p95";

// Rows are datasets by length, columns are loads; darker or brighter is more, on a logarithmic scale where values span
// much, the same for all experiments.
function heatMaps() {
  const [name, format] = HEAT[state.heat];
  const levels = LEVELS.filter((level) => state.shown.has(level.e) && known(level[state.heat]));
  if (!levels.length) return [make("p", { class: "none" }, `No level of this selection has a ${name}.`)];
  const values = levels.map((level) => level[state.heat]);
  const [least, most, log] = [Math.min(...values), Math.max(...values), wide(values)];
  const to = log ? Math.log10 : (value) => value;
  const share = (value) => (most > least ? (to(value) - to(least)) / (to(most) - to(least)) : 0.5);
  const lengths = DATA.datasets.map((_, d) => [d, LEVELS.find((level) => level.d === d && known(level.prompt_token_count_mean))?.prompt_token_count_mean ?? Infinity]);
  const order = lengths.sort((one, other) => one[1] - other[1]).map(([d]) => d);
  return DATA.experiments.map((experiment, e) => heatMap(experiment.name, levels.filter((level) => level.e === e), order, share, format)).filter(Boolean);
}

function heatMap(title, levels, order, share, format) {
  if (!levels.length) return null;
  const loads = ALL_LOADS.filter((load) => levels.some((level) => level.load === load.load));
  const head = make("tr", {}, make("th", { scope: "col" }, "dataset"), ...loads.map((load) => make("th", { scope: "col" }, load.rate ? load.short : `${load.short} in flight`)));
  const rows = order.filter((d) => levels.some((level) => level.d === d)).map((d) => make(
    "tr", {}, make("th", { scope: "row" }, DATA.datasets[d]),
    ...loads.map((load) => heatCell(levels.find((level) => level.d === d && level.load === load.load), share, format)),
  ));
  return make("div", { class: "scroll heat", tabindex: 0, role: "region", "aria-label": `Heat map of ${title}` }, make("table", {}, make("caption", {}, title), make("thead", {}, head), make("tbody", {}, ...rows)));
}

function heatCell(level, share, format) {
  if (!level) return make("td", { class: "none" }, MISSING);
  const cell = make("td", { title: tipOf(level).join("\n") }, format(level[state.heat]) + (level.verdict === "invalid" ? " ✗" : ""));
  const strength = share(level[state.heat]);
  cell.style.backgroundColor = shade(strength);
  cell.classList.add(bright(cell.style.backgroundColor) ? "on-bright" : "on-dim");
  return cell;
}

// -- failures ----------------------------------------------------------------------------------------------------

function errorBars() {
  const levels = inSight().filter((level) => Object.keys(level.errors).length);
  const requests = inSight().reduce((sum, level) => sum + (level.requests || 0), 0);
  if (!levels.length) return [make("p", { class: "none" }, requests ? `No errors: all ${count(requests)} requests of this selection succeeded.` : "No level of this selection was measured.")];
  const classes = [...new Set(LEVELS.flatMap((level) => Object.keys(level.errors)))].sort();
  const most = Math.max(...levels.map((level) => level.error_rate));
  const legend = make("ul", { class: "legend" }, ...classes.map((name, index) => {
    const swatch = make("span", { class: `swatch bar-${index % 8}`, "aria-hidden": "true" });
    return make("li", {}, swatch, name);
  }));
  const rows = levels.sort((one, other) => other.error_rate - one.error_rate).map((level) => {
    const bar = make("div", { class: "bar", "aria-hidden": "true" }, ...classes.filter((name) => level.errors[name]).map((name) => {
      const part = make("span", { class: `bar-${classes.indexOf(name) % 8}` });
      part.style.width = `${(100 * level.errors[name]) / level.requests / most}%`;
      return part;
    }));
    const said = classes.filter((name) => level.errors[name]).map((name) => `${count(level.errors[name])} ${name}`).join(", ");
    return make("tr", {}, make("th", { scope: "row" }, `${shorten(nameOf(level), 44)} · ${level.load}`), make("td", { class: "wide" }, bar),
      make("td", { class: "right" }, percent(level.error_rate)), make("td", {}, `${said} of ${count(level.requests)}`));
  });
  const head = make("tr", {}, ...["level", `share of its requests, by class (full width: ${percent(most)})`, "errors", "count"].map((name) => make("th", { scope: "col" }, name)));
  return [legend, make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Errors by level" }, make("table", { class: "bars" }, make("caption", { class: "unseen" }, "Errors by level and class"), make("thead", {}, head), make("tbody", {}, ...rows)))];
}

// -- the machine -------------------------------------------------------------------------------------------------

state.machine = 0;

function machineSpecs() {
  const machine = DATA.machines[state.machine];
  if (!machine) return [nothing("Machine and server over time", "Nothing was sampled of any machine or server.")];
  const bands = machine.windows.map((window) => ({ from: window.from, to: window.to, label: window.load }));
  return machine.panels.map((panel, index) => ({
    title: `${capital(panel.title)}: ${panel.curves.map((curve) => `${panel.curves.length > 1 ? `${curve.label} ` : ""}at most ${plain(Math.max(...curve.y.filter(known)))}`).join(", ")}`,
    about: index ? "" : `Shaded: the window of each level, above it its load.${machine.cut ? " Long gaps between levels are cut short." : ""}`,
    bands, along: true, height: 200, top: 22,
    series: panel.curves.map((curve, number) => ({
      name: curve.label, colour: colourOf(number), marks: false,
      points: curve.x.map((x, place) => ({ x, y: curve.y[place], tip: [curve.label, `${plain(curve.y[place])}, ${panel.title}`, `${plain(x, 4)} s since the first level`] })),
    })),
    x: { title: "seconds since the first level", domain: [machine.from, machine.to] },
    y: { title: panel.title, log: false, ...(panel.most ? { domain: [0, Math.max(panel.most, ...panel.curves.flatMap((curve) => curve.y.filter(known))) * 1.04] } : {}) },
  }));
}

// -- single requests ---------------------------------------------------------------------------------------------

const TIMED = DATA.timelines ? [...new Set(DATA.timelines.map((one) => one.level))] : [];
state.timeline = TIMED.includes(CHOSEN?.index) ? CHOSEN.index : TIMED[0];
const WHICH = { p50: "the request at p50", p95: "the request at p95", worst: "the slowest request" };
const TEN_MICROSECONDS = 1e-5;

function timelineSpecs() {
  const chosen = (DATA.timelines || []).filter((one) => one.level === state.timeline);
  if (!chosen.length) return [nothing("Single requests", "No request succeeded.")];
  const level = LEVELS[state.timeline];
  const longest = Math.max(...chosen.map((one) => one.last || one.end || 0));
  const strips = chosen.flatMap((one, index) => {
    const y = chosen.length - index, colour = colourOf([0, 4, 1][index]);
    const at = (x, what) => ({ x, y, verdict: "valid", tip: [WHICH[one.which], `${what} ${seconds(x)} after it was due`] });
    const marks = [["sent", one.sent], ["first token", one.first], ["last token", one.last]].filter(([, x]) => known(x)).map(([what, x]) => at(x, what));
    return [
      { name: WHICH[one.which], colour, points: [at(0, "due:"), ...marks] },
      { colour, dots: true, line: false, silent: true, points: one.offsets.map((offset) => ({ x: offset * TEN_MICROSECONDS, y })) },
    ];
  });
  const gaps = chosen.filter((one) => one.gaps.length).map((one) => ({
    name: WHICH[one.which], colour: colourOf([0, 4, 1][chosen.indexOf(one)]), line: false, dots: true,
    points: one.gaps.map((gap, place) => ({
      x: one.offsets[place + 1] * TEN_MICROSECONDS, y: Math.max(gap, 1) * TEN_MICROSECONDS * 1000,
      tip: [WHICH[one.which], `${seconds(gap * TEN_MICROSECONDS)} since the event before`, `${seconds(one.offsets[place + 1] * TEN_MICROSECONDS)} after it was due`],
    })),
  }));
  const x = { title: "seconds since the request was due", domain: [0, longest * 1.03 || 1] };
  const strip = {
    title: `Three requests of ${shorten(nameOf(level), 40)} at ${level.load}`, about: "Circles: due, sent, first and last token; dots between them: content as it arrived.",
    series: strips, x, y: { title: "", domain: [0.4, chosen.length + 0.6], ticks: chosen.map((one, index) => [chosen.length - index, one.which]) }, height: 210,
  };
  if (!gaps.length) return [strip, nothing("Gaps between events", "These requests were not streamed, so nothing is known between sending and the answer.")];
  const thinned = chosen.some((one) => one.offsets.length < one.events);
  return [strip, {
    title: `Longest gap: ${seconds(Math.max(...chosen.flatMap((one) => one.gaps)) * TEN_MICROSECONDS)}`,
    about: `The time since the event before, for each piece of content.${thinned ? " Of long answers the longest gaps and an even choice of the others." : ""}`,
    series: gaps, signs: [], x, y: { title: "gap (ms)" },
  }];
}

function timelineTable() {
  const chosen = (DATA.timelines || []).filter((one) => one.level === state.timeline);
  const columns = [["request", "text"], ["latency", "seconds"], ["TTFT", "seconds"], ["TPOT", "seconds"], ["prompt tokens", "count"], ["answer tokens", "count"], ["events", "count"], ["longest gap", "seconds"], ["finish reason", "text"], ["request id", "text"], ["server's id", "text"]];
  const rows = chosen.map((one) => [WHICH[one.which], one.latency, one.TTFT, one.TPOT, one.prompt_token_count, one.completion_token_count, one.events,
    one.gaps.length ? Math.max(...one.gaps) * TEN_MICROSECONDS : null, one.finish_reason, one.request_id, one.server_request_id]);
  return tableOf({ id: "timelines", title: "The three requests", columns: columns.map(([name, kind]) => ({ name, kind })), rows }, { filter: false });
}
