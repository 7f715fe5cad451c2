// The site's page: its sections in their order, and the list of runs.

function runTable() {
  const columns = [["compare", "pick"], ["run", "link"], ["began", "text"], ["status", "text"], ["valid", "count"], ["degraded", "count"], ["invalid", "count"], ["models", "text"], ["stacks", "text"], ["instances", "text"], ["tags", "text"], ["USD measuring", "usd"], ["decision", "text"], ["note", "text"]];
  const rows = [...runsInSight()].reverse().map((run) => {
    const of = (name) => distinct(run.experiments.map((e) => DATA.experiments[e][name])).join(", ");
    const verdicts = ["valid", "degraded", "invalid"].map((verdict) => (run.analysed ? run.levels.filter((level) => level.verdict === verdict).length : null));
    return [[run.title, run.index], [run.title, run.page], dateOf(run), run.status, ...verdicts, of("model"), of("stack"), of("instance"), run.tags.join(" "), run.cost, run.decision, run.problem || (run.analysed ? "" : "not analysed")];
  });
  return { id: "runs", title: "Runs", columns: columns.map(([name, kind]) => ({ name, kind })), rows };
}

function ofRuns() {
  const place = section("runs", "Runs", "Every run, newest first; its name leads to its own report where it has one. What is not known is empty.");
  const table = tableOf(runTable(), { most: 50 });
  place.append(table);
  refreshers.push(() => table.narrow(runTable().rows));
}

function ofLeftOut() {
  if (!DATA.left_out.length) return;
  const place = section("left_out", "Left out");
  place.append(make("ul", {}, ...DATA.left_out.map((line) => make("li", {}, line))));
}

function start() {
  document.body.append(tooltip, spoken);
  theme();
  const mount = document.getElementById("business_summary");
  mount.replaceChildren();
  criteriaChoices();
  if (LEVELS.length) chart(mount, "front_chart", () => paretoSpec(LEVELS.some((level) => known(level.price_per_10k_txn)) ? "price" : "throughput", "latency"));
  siteFilters();
  refresh();
  const filters = document.querySelector(".bar-top");
  if (getComputedStyle(filters).position === "sticky") document.documentElement.style.scrollPaddingTop = `${filters.offsetHeight + 8}px`;
  document.documentElement.dataset.first = String(Math.round(performance.now()));
  later([...(LEVELS.length ? [ofBoard, ofPareto, ofHistory, ofComparison] : []), ofRuns, ofLeftOut]);
}

start();
