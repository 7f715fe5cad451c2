// What pages of levels share: sections, what is drawn again when the selection changes, choices, the theme.

const refreshers = [];
const main = document.getElementById("charts");

function section(id, title, about) {
  const element = make("section", { id, "aria-labelledby": `${id}-title` }, make("h2", { id: `${id}-title` }, title), about ? make("p", { class: "lead" }, about) : null);
  main.append(element);
  document.getElementById("contents")?.append(make("li", {}, make("a", { href: `#${id}` }, title)));
  return element;
}

function grid(parent, columns = 2) {
  const element = make("div", { class: `charts columns-${columns}` });
  parent.append(element);
  return element;
}

// A chart that is drawn again whenever the selection changes.
function chart(parent, id, specOf, controls = []) {
  const plot = new Plot(parent, id, controls);
  refreshers.push(() => plot.update(specOf()));
}

// As many charts as there are specs, which may change with the selection.
function charts(parent, id, specsOf) {
  const plots = [];
  refreshers.push(() => {
    const specs = specsOf();
    while (plots.length < specs.length) plots.push(new Plot(parent, `${id}-${plots.length + 1}`));
    plots.forEach((plot, index) => {
      plot.figure.hidden = index >= specs.length;
      if (specs[index]) plot.update(specs[index]);
    });
  });
}

function region(parent, contentsOf) {
  const element = make("div");
  parent.append(element);
  refreshers.push(() => element.replaceChildren(...contentsOf()));
}

function bar(parent, ...controls) {
  const there = controls.filter(Boolean);
  if (there.length) parent.append(make("div", { class: "controls" }, ...there));
}

function refresh() {
  refreshers.forEach((one) => one());
}

function theme() {
  const button = document.getElementById("theme");
  const names = ["", "light", "dark"], said = { "": "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };
  button.hidden = false;
  button.textContent = said[""];
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const next = names[(names.indexOf(root.dataset.theme || "") + 1) % names.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    button.textContent = said[next];
    refresh();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
}

// The other sections one by one, so that the page answers in between.
function later(parts) {
  if (!parts.length) {
    document.documentElement.dataset.ready = String(Math.round(performance.now()));
    return;
  }
  setTimeout(() => {
    const before = refreshers.length;
    parts[0]();
    refreshers.slice(before).forEach((one) => one());
    later(parts.slice(1));
  }, 0);
}

// -- levels ----------------------------------------------------------------------------------------------------------

const colourOf = (e) => `var(--c${e % 8})`;
const dashOf = (e) => Math.floor(e / 8) % 3;
const nothing = (title, empty) => ({ title, empty: true, about: empty, series: [], x: {}, y: {} });
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const axisX = (column, level) => ({ x: level[column], xlow: level[`${column}_low`], xhigh: level[`${column}_high`] });
const axisY = (column, level) => ({ y: level[column], ylow: level[`${column}_low`], yhigh: level[`${column}_high`] });

function estimateOf(level, column, format) {
  return estimate(level[column], level[`${column}_low`], level[`${column}_high`], format);
}

function signsOf(series) {
  const points = series.flatMap((one) => one.points);
  const verdicts = ["valid", "degraded", "invalid"].filter((name) => points.some((point) => point.verdict === name));
  const others = [["misses", points.some((point) => point.hollow)], ["best", points.some((point) => point.ring)]];
  return [...verdicts, ...others.filter(([, there]) => there).map(([name]) => name)];
}

// Whether two values have intervals that overlap, so that the figures do not tell which is better.
function overlap(one, other, column) {
  const [low, high] = [`${column}_low`, `${column}_high`];
  return [one, other].every((level) => known(level[low])) && one[low] <= other[high] && other[low] <= one[high];
}

// A choice of one value of `state`; `read` makes that of the text of an option.
function choice(label, options, name, read = String) {
  const select = make("select", {}, ...options.map(([value, text]) => make("option", { value }, text)));
  select.addEventListener("change", () => {
    state[name] = read(select.value);
    refresh();
  });
  refreshers.push(() => { select.value = String(state[name]); });
  return make("label", { class: "choice" }, make("span", {}, label), select);
}
