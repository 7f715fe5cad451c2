// The page of a run: what is selected, and its sections.

// -- what is selected --------------------------------------------------------------------------------------------

function filters() {
  const place = document.getElementById("filters");
  if (!place) return;
  if (DATA.datasets.length > 1) {
    place.append(choice("Dataset", DATA.datasets.map((name, index) => [index, name]), "dataset", Number));
  }
  if (DATA.experiments.length < 2) return;
  const group = make("div", { class: "experiments", role: "group", "aria-label": "Experiments" });
  DATA.experiments.forEach((experiment, e) => {
    const svg = draw("svg", { viewBox: "0 0 26 12", class: `series dash-${dashOf(e)}`, "aria-hidden": "true" }, draw("path", { class: "line", d: "M1 6H25" }));
    svg.style.setProperty("--c", colourOf(e));
    const button = make("button", { type: "button", "aria-pressed": "true", title: experiment.name }, svg, shorten(experiment.name, 34));
    button.addEventListener("click", () => {
      if (state.shown.has(e)) state.shown.delete(e);
      else state.shown.add(e);
      button.setAttribute("aria-pressed", String(state.shown.has(e)));
      refresh();
    });
    group.append(button);
  });
  place.append(group);
}

const percentiles = () => choice("Percentile", [["p50", "p50"], ["p95", "p95"], ["p99", "p99"]], "q");

function kinds() {
  const both = new Set(LEVELS.map((level) => level.rate)).size > 1;
  const options = [[false, "requests in flight"], [true, "requests per second"]];
  return both ? choice("Load", options, "rate", (value) => value === "true") : null;
}

// -- the sections ------------------------------------------------------------------------------------------------

function ofLevels() {
  const curves = section("throughput", "Latency against throughput", "The curves by which servers are judged: what happens to latency as more is asked of them.");
  bar(curves, percentiles());
  const two = grid(curves);
  chart(two, "latency_vs_throughput", curveSpec);
  const per = Object.entries(PER).filter(([name]) => LEVELS.some((level) => known(level[name])));
  if (!per.some(([name]) => name === state.per)) state.per = per[0]?.[0] ?? "completion_token_throughput";
  chart(two, "tokens_per_user", paceSpec, per.length > 1 ? [choice("Set against", per, "per")] : []);
  const loads = section("load", "By load");
  bar(loads, kinds(), percentiles());
  const three = grid(loads, 3);
  for (const measure of Object.keys(MEASURES)) chart(three, `${measure}_by_load`, () => timeByLoad(measure));
}

function ofRequests() {
  const lengths = section("length", "By prompt length");
  bar(lengths, choice("At load", ALL_LOADS.map((level) => [level.load, level.load]), "length_load"), percentiles());
  const three = grid(lengths, 3);
  for (const measure of Object.keys(MEASURES)) chart(three, `${measure}_by_length`, () => lengthSpec(measure));
  const heat = section("heat", "Load and prompt length together");
  bar(heat, choice("Figure", Object.entries(HEAT).map(([name, [said]]) => [name, said]), "heat"));
  region(heat, heatMaps);
  const distribution = section("distribution", "Distributions and their tails");
  const experiments = DATA.experiments.map((experiment, e) => [`experiment ${e}`, `all loads of ${shorten(experiment.name, 40)}`]);
  const lines = [...(DATA.experiments.length > 1 ? ALL_LOADS.map((level) => [`load ${level.load}`, `all experiments at ${level.load}`]) : []), ...experiments];
  bar(distribution,
    choice("Of", Object.entries(MEASURES).map(([name]) => [name, name]), "ecdf"),
    choice("Lines", lines, "ecdf_lines"),
    choice("Axis", [["share", "share of requests"], ["tail", "tail"]], "tail"));
  chart(distribution, "ecdf", ecdfSpec);
  if (!TIMED.length) return;
  const single = section("requests", "Single requests", "Where the time of one request goes: the one at the median, the one at p95, and the slowest of a level.");
  bar(single, choice("Level", TIMED.map((index) => [index, `${shorten(nameOf(LEVELS[index]), 40)} · ${datasetOf(LEVELS[index])} · ${LEVELS[index].load}`]), "timeline", Number));
  charts(grid(single), "timeline", timelineSpecs);
  region(single, () => [timelineTable()]);
}

function ofMoney() {
  const costs = section("cost", "Cost");
  bar(costs, kinds());
  charts(grid(costs), "cost", costSpecs);
  const good = section("goodput", "Goodput");
  charts(grid(good), "goodput", goodputSpecs);
  if (DATA.quality.length) {
    const quality = section("quality", "Quality of the answers");
    const two = grid(quality);
    for (const one of DATA.quality) chart(two, one.id, () => qualitySpec(one));
  }
}

function ofMachines() {
  region(section("errors", "Errors by class"), errorBars);
  const machine = section("machine", "Machine and server over time");
  if (DATA.machines.length > 1) {
    bar(machine, choice("Experiment", DATA.machines.map((one, index) => [index, DATA.experiments[one.e].name]), "machine", Number));
  }
  charts(grid(machine), "machine", machineSpecs);
}

function ofTables() {
  const place = section("tables", "Tables");
  for (const table of DATA.tables) {
    const element = tableOf(table);
    place.append(make("h3", {}, table.title), element);
    if (table.rows.length !== LEVELS.length || !["levels", "quality"].includes(table.id)) continue;
    refreshers.push(() => element.narrow(table.rows.filter((_, index) => state.shown.has(LEVELS[index].e))));
  }
}

function ofProvenance() {
  const place = section("provenance", "Where the numbers come from");
  if (DATA.notices.length) place.append(make("h3", {}, "Notices"), make("ul", {}, ...DATA.notices.map((notice) => make("li", {}, notice))));
  place.append(make("dl", { class: "facts" }, ...DATA.facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])));
  if (DATA.config) place.append(make("details", {}, make("summary", {}, "The config, resolved, without secrets"), make("pre", { tabindex: 0 }, DATA.config)));
  if (!DATA.files.length) return;
  const list = make("ul", { class: "files" }, ...DATA.files.map((file) => make("li", {}, make("a", { href: file.address }, file.name), ` ${file.what}`)));
  place.append(make("h3", {}, "Executed notebooks and raw files"), make("p", { class: "lead" }, "They lie beside this page in the run's directory; where the page was sent alone, these links lead nowhere."), list);
}

function start() {
  document.body.append(tooltip, spoken);
  theme();
  const mount = document.getElementById("business_summary");
  mount.replaceChildren();
  chart(mount, "business_summary", priceSpec);
  if (DATA.kind === "business") {
    for (const one of DATA.quality) chart(main, one.id, () => qualitySpec(one));
  }
  filters();
  refresh();
  document.documentElement.dataset.first = String(Math.round(performance.now()));
  const rest = DATA.kind === "business" || !LEVELS.length ? [] : [ofLevels, ofMoney, ofRequests, ofMachines];
  const last = DATA.kind === "business" ? [] : [ofTables, ofProvenance];
  later([...rest, ...last]);
}

start();
