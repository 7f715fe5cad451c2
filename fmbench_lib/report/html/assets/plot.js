// One chart: axes, lines and points in SVG, with hover, keyboard, zoom, a legend and its figures as a table.

const MARGIN = { top: 14, right: 18, bottom: 44, left: 58 };
const REACH = 44;
const tooltip = make("div", { class: "tooltip", hidden: true, "aria-hidden": "true" });
const spoken = make("div", { class: "unseen", role: "status", "aria-live": "polite" });
const plots = [];
const approach = window.IntersectionObserver
  ? new IntersectionObserver((seen) => seen.forEach(({ target, isIntersecting }) => target.plot.approached(isIntersecting)), { rootMargin: "500px" })
  : null;
window.addEventListener("beforeprint", () => plots.forEach((plot) => plot.approached(true)));

class Plot {
  // `section`: where the figure is put, unless the page has a place with its `id` · `controls`: elements above the chart.
  constructor(section, id, controls = []) {
    const place = document.getElementById(id);
    this.id = id;
    plots.push(this);
    this.clip = `clip-${plots.length}`;
    this.title = make("h3");
    this.about = make("p", { class: "about" });
    this.controls = make("div", { class: "controls" }, ...controls);
    this.svg = draw("svg", { "aria-hidden": "true", focusable: "false" });
    this.area = make("div", { class: "plot", tabindex: 0, role: "application", "aria-roledescription": "chart" }, this.svg);
    this.legend = make("ul", { class: "legend" });
    this.reset = make("button", { type: "button", class: "reset", hidden: true }, "Reset zoom");
    this.figures = make("details", { class: "figures" }, make("summary", {}, "Figures as a table"));
    this.figure = make(
      "figure", { class: "chart", id: place ? null : id },
      make("figcaption", {}, this.title, this.about), this.controls, this.area, this.legend, this.figures,
    );
    this.controls.append(this.reset);
    (place || section).append(this.figure);
    this.near = !approach;
    this.area.plot = this;
    approach?.observe(this.area);
    this.listen();
  }

  listen() {
    this.area.addEventListener("pointermove", (event) => this.hover(event));
    this.area.addEventListener("pointerleave", () => this.leave());
    this.area.addEventListener("pointerdown", (event) => this.press(event));
    this.area.addEventListener("pointerup", (event) => this.release(event));
    this.area.addEventListener("keydown", (event) => this.key(event));
    this.area.addEventListener("blur", () => this.leave());
    this.area.addEventListener("dblclick", () => this.unzoom());
    this.reset.addEventListener("click", () => this.unzoom());
    this.figures.addEventListener("toggle", () => this.fill());
    this.width = 0;
    if (window.ResizeObserver) {
      new ResizeObserver(() => {
        if (Math.abs(this.area.clientWidth - this.width) > 2 && this.spec) this.change();
      }).observe(this.area);
    }
  }

  update(spec) {
    this.spec = spec;
    this.zoom = {};
    this.at = -1;
    this.title.textContent = spec.title;
    this.about.textContent = spec.about || "";
    this.figure.classList.toggle("empty", Boolean(spec.empty));
    this.area.hidden = this.legend.hidden = this.figures.hidden = Boolean(spec.empty);
    this.area.setAttribute("aria-label", `${spec.title}. Arrow keys go from point to point, plus and minus zoom.`);
    this.writeLegend();
    this.change();
    this.fill();
  }

  // Only what is nearly in sight is drawn; the others keep their place.
  change() {
    this.reset.hidden = !this.zoom.x;
    this.stale = !this.spec.empty;
    if (!this.stale) return;
    this.width = Math.max(this.area.clientWidth || 640, 240);
    this.height = this.spec.height || Math.round(Math.min(430, Math.max(260, this.width * 0.56)));
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    if (this.near) this.render();
  }

  approached(near) {
    this.near = near;
    if (near && this.stale) this.render();
  }

  unzoom() {
    this.zoom = {};
    this.change();
  }

  render() {
    const { spec, height } = this;
    this.stale = false;
    const all = spec.series.flatMap((series) => series.points);
    this.x = scaleFor(spec.x, all.map((point) => point.x), all.flatMap((point) => [point.xlow, point.xhigh]), this.zoom.x);
    this.y = scaleFor(spec.y, all.map((point) => point.y), all.flatMap((point) => [point.ylow, point.yhigh]), this.zoom.y);
    this.box = { left: MARGIN.left, right: this.width - MARGIN.right, top: spec.top || MARGIN.top, bottom: height - MARGIN.bottom };
    this.mapX = mapper(this.x, this.box.left, this.box.right);
    this.mapY = mapper(this.y, this.box.bottom, this.box.top);
    this.svg.replaceChildren(this.axes(height), this.marks(all), draw("g", { class: "over" }));
  }

  axes(height) {
    const { left, right, top, bottom } = this.box;
    const group = draw("g", { class: "axes" });
    for (const band of this.spec.bands || []) {
      const [from, to] = [band.from, band.to].map((at) => Math.min(Math.max(this.mapX(at), left), right));
      if (to <= from) continue;
      group.append(draw("rect", { class: "band", x: from, y: top, width: to - from, height: bottom - top }));
      if (band.label && to - from > 7 * band.label.length) {
        group.append(draw("text", { class: "tick", x: (from + to) / 2, y: top - 4, "text-anchor": "middle" }, band.label));
      }
    }
    const xs = this.spec.x.ticks || ticksOf(this.x, Math.max(2, Math.floor((right - left) / 64))).map((at) => [at]);
    let taken = -Infinity;
    for (const [at, label] of xs) {
      const x = this.mapX(at);
      if (!(x >= left - 1 && x <= right + 1)) continue;
      group.append(draw("line", { class: "grid", x1: x, x2: x, y1: top, y2: bottom }));
      const text = label ?? (this.spec.x.format || plain)(at);
      const half = 3.2 * String(text).length;
      if (x - half < taken) continue;
      taken = x + half + 6;
      group.append(draw("text", { class: "tick", x, y: bottom + 16, "text-anchor": "middle" }, text));
    }
    const ys = this.spec.y.ticks || ticksOf(this.y, Math.max(2, Math.floor((bottom - top) / 46))).map((at) => [at]);
    for (const [at, label] of ys) {
      const y = this.mapY(at);
      group.append(draw("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }));
      group.append(draw("text", { class: "tick", x: left - 7, y: y + 4, "text-anchor": "end" }, label ?? (this.spec.y.format || plain)(at)));
    }
    const said = (axis, scale) => `${axis.title}${scale.kind === "log" ? ", log scale" : ""}`;
    group.append(draw("line", { class: "base", x1: left, x2: right, y1: bottom, y2: bottom }));
    group.append(draw("text", { class: "name", x: right, y: height - 8, "text-anchor": "end" }, said(this.spec.x, this.x)));
    const upright = { class: "name", transform: `translate(13 ${top}) rotate(-90)`, "text-anchor": "end" };
    group.append(draw("text", upright, shorten(said(this.spec.y, this.y), Math.floor((bottom - top) / 6))));
    return group;
  }

  marks(all) {
    const { left, right, top, bottom } = this.box;
    const area = draw("rect", { x: left - 9, y: top - 9, width: right - left + 18, height: bottom - top + 18 });
    const group = draw("g", { "clip-path": `url(#${this.clip})` });
    group.append(draw("clipPath", { id: this.clip }, area));
    const rules = (this.spec.rules || []).map((rule) => this.rule(group, rule)).filter(Boolean);
    this.places = [];
    for (const series of this.spec.series) this.drawSeries(group, series);
    const taken = this.places.map(({ px, py }) => [px - 5, py - 5, px + 5, py + 5]);
    for (const { text, places } of rules) this.write(group, text, places, taken, { class: "budget-name" }, true);
    if (all.length <= 80) this.labels(group, taken);
    return group;
  }

  // A budget: a dashed line; returns its name with the places where that may stand. One outside the view is named at
  // the edge, with an arrow.
  rule(group, rule) {
    const { left, right, top, bottom } = this.box;
    const upright = rule.axis === "x";
    const wanted = upright ? this.mapX(rule.at) : this.mapY(rule.at);
    const at = upright ? Math.min(Math.max(wanted, left), right) : Math.min(Math.max(wanted, top), bottom);
    if (!known(at)) return null;
    const ends = upright ? { x1: at, x2: at, y1: top, y2: bottom } : { x1: left, x2: right, y1: at, y2: at };
    if (at === wanted) group.append(draw("line", { class: "budget", ...ends }));
    const arrow = at === wanted ? "" : upright ? (wanted > at ? " →" : " ←") : wanted < at ? " ↑" : " ↓";
    const along = [0.04, 0.3, 0.6, 0.92];
    const places = upright
      ? along.flatMap((part) => [[at + 5, top + 10 + part * (bottom - top - 20), "start"], [at - 5, top + 10 + part * (bottom - top - 20), "end"]])
      : [[right - 4, "end"], [left + 4, "start"], [(left + right) / 2, "middle"]].flatMap(([x, anchor]) => [[x, at - 5, anchor], [x, at + 14, anchor]]);
    return { text: rule.text + arrow, places };
  }

  // A text at the first place where it overlaps nothing; `always`: else at the first place inside the chart.
  write(group, text, places, taken, attributes, always = false) {
    const { left, right, top, bottom } = this.box;
    const width = 6.6 * text.length + 2;
    const boxes = places.map(([x, y, anchor]) => {
      const from = anchor === "start" ? x : anchor === "end" ? x - width : x - width / 2;
      return { x, y, anchor, box: [from, y - 10, from + width, y + 3] };
    }).filter(({ box }) => box[0] >= left - 4 && box[2] <= right + 12 && box[1] >= top - 8 && box[3] <= bottom + 4);
    const free = boxes.find(({ box }) => taken.every((other) => apart(box, other))) || (always ? boxes[0] : null);
    if (!free) return null;
    taken.push(free.box);
    const element = draw("text", { x: free.x, y: free.y, "text-anchor": free.anchor, ...attributes }, text);
    group.append(element);
    return element;
  }

  drawSeries(group, series) {
    const part = draw("g", { class: `series dash-${series.dash || 0}` });
    part.style.setProperty("--c", series.colour);
    const placed = series.points.map((point) => ({
      point, series,
      px: point.x === null ? NaN : this.mapX(point.x),
      py: point.y === null ? NaN : this.mapY(point.y),
    }));
    if (series.line !== false) part.append(draw("path", { class: "line", d: pathOf(placed, series.step) }));
    if (series.dots) part.append(draw("path", { class: "dots", d: placed.map(({ px, py }) => `M${px.toFixed(1)} ${py.toFixed(1)}h0`).join("") }));
    else if (series.marks !== false) placed.filter(({ px, py }) => known(px) && known(py)).forEach((one) => this.mark(part, one));
    group.append(part);
    if (series.silent !== true) this.places.push(...placed.filter(({ px, py }) => known(px) && known(py)));
  }

  mark(part, { point, px, py }) {
    if (known(point.xlow) && known(point.xhigh)) {
      part.append(draw("line", { class: "whisker", x1: this.mapX(point.xlow), x2: this.mapX(point.xhigh), y1: py, y2: py }));
    }
    if (known(point.ylow) && known(point.yhigh)) {
      part.append(draw("line", { class: "whisker", x1: px, x2: px, y1: this.mapY(point.ylow), y2: this.mapY(point.yhigh) }));
    }
    part.append(draw("path", { class: `mark${point.hollow ? " hollow" : ""}`, d: shape(point.verdict, px, py, 5) }));
    if (point.ring) part.append(draw("circle", { class: "ring", cx: px, cy: py, r: 12 }));
  }

  // Labels of points where they overlap neither each other nor a point; those with a ring come first.
  labels(group, taken) {
    const { left, right, top, bottom } = this.box;
    const named = this.places.filter(({ point }) => point.label);
    named.sort((one, other) => Boolean(other.point.ring) - Boolean(one.point.ring));
    for (const { point, series, px, py } of named) {
      if (px < left - 1 || px > right + 1 || py < top - 1 || py > bottom + 1) continue;
      const away = point.ring ? 14 : 7;
      const around = [[away, -away, "start"], [-away, -away, "end"], [away, away + 8, "start"], [-away, away + 8, "end"], [0, -away - 4, "middle"], [0, away + 13, "middle"]];
      const places = around.map(([dx, dy, anchor]) => [px + dx, py + dy, anchor]);
      const text = this.write(group, point.label, places, taken, { class: `label${point.ring ? " best" : ""}` });
      text?.style.setProperty("--c", series.colour);
    }
  }

  writeLegend() {
    const entries = this.spec.series.filter((series) => series.name && series.points.length).map((series) => entry(series));
    this.legend.replaceChildren(...(entries.length > 1 || this.spec.signs ? entries : []), ...(this.spec.signs || []).map(sign));
  }

  // -- pointing, keys ---------------------------------------------------------------------------------------

  nearest(event) {
    const frame = this.svg.getBoundingClientRect();
    const scale = this.width / frame.width;
    const x = (event.clientX - frame.left) * scale, y = (event.clientY - frame.top) * scale;
    let best = -1, least = REACH;
    this.places.forEach(({ px, py }, index) => {
      const away = this.spec.along ? Math.hypot(px - x, (py - y) / 6) : Math.hypot(px - x, py - y);
      if (away < least) [best, least] = [index, away];
    });
    return { best, x, y };
  }

  hover(event) {
    if (!this.places) return;
    const { best, x, y } = this.nearest(event);
    if (this.pressed) {
      this.selection(x, y);
      return;
    }
    if (best < 0) this.leave();
    else this.show(best);
  }

  show(index) {
    const { point, series, px, py } = this.places[index];
    this.at = index;
    const over = this.svg.querySelector(".over");
    const ring = draw("circle", { class: "hovered", cx: px, cy: py, r: 8 });
    over.replaceChildren(ring);
    const lines = point.tip || [series.name, `${plain(point.x)}, ${plain(point.y)}`];
    tooltip.replaceChildren(...lines.map((line, number) => make("p", number ? {} : { class: "first" }, line)));
    tooltip.hidden = false;
    const frame = this.svg.getBoundingClientRect();
    const scale = frame.width / this.width;
    const wide = tooltip.offsetWidth, high = tooltip.offsetHeight;
    const x = frame.left + px * scale, y = frame.top + py * scale;
    const left = x + 16 + wide > window.innerWidth ? Math.max(4, x - wide - 16) : x + 16;
    const top = Math.min(Math.max(4, y - high / 2), window.innerHeight - high - 4);
    tooltip.style.left = `${left}px`;
    tooltip.style.top = `${top}px`;
    return lines;
  }

  leave() {
    tooltip.hidden = true;
    this.pressed = null;
    this.svg.querySelector(".over")?.replaceChildren();
  }

  press(event) {
    if (event.pointerType === "touch" || event.button !== 0) return;
    const { x, y } = this.nearest(event);
    this.pressed = { x, y };
  }

  selection(x, y) {
    const over = this.svg.querySelector(".over");
    const [left, top] = [Math.min(x, this.pressed.x), Math.min(y, this.pressed.y)];
    tooltip.hidden = true;
    over.replaceChildren(draw("rect", {
      class: "selection", x: left, y: top, width: Math.abs(x - this.pressed.x), height: Math.abs(y - this.pressed.y),
    }));
  }

  release(event) {
    const begun = this.pressed;
    this.pressed = null;
    if (!begun) return;
    const { x, y } = this.nearest(event);
    if (Math.abs(x - begun.x) < 12 || Math.abs(y - begun.y) < 12) return;
    const sorted = (one, other) => ({ low: Math.min(one, other), high: Math.max(one, other) });
    this.zoom = {
      x: sorted(this.mapX.back(begun.x), this.mapX.back(x)),
      y: sorted(this.mapY.back(begun.y), this.mapY.back(y)),
    };
    this.change();
  }

  key(event) {
    if (!this.places?.length || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.places.length - 1;
    const moves = { ArrowRight: this.at + 1, ArrowLeft: this.at - 1, Home: 0, End: last, ArrowDown: this.along(1), ArrowUp: this.along(-1) };
    if (event.key in moves) {
      const to = Math.min(Math.max(moves[event.key], 0), last);
      spoken.textContent = this.show(to).join(", ");
    } else if (event.key === "+" || event.key === "-") {
      const at = this.places[Math.max(this.at, 0)].point;
      const factor = event.key === "+" ? ZOOM_STEP : 1 / ZOOM_STEP;
      this.zoom = { x: zoomed(this.x, at.x, factor), y: zoomed(this.y, at.y, factor) };
      this.change();
    } else if (event.key === "0") this.unzoom();
    else if (event.key === "Escape") this.leave();
    else return;
    event.preventDefault();
  }

  // The first point of the next line, or of the one before.
  along(step) {
    const series = this.spec.series;
    const now = this.at < 0 ? -1 : series.indexOf(this.places[this.at].series);
    for (let index = now + step; index >= 0 && index < series.length; index += step) {
      const found = this.places.findIndex((place) => place.series === series[index]);
      if (found >= 0) return found;
    }
    return Math.max(this.at, 0);
  }

  fill() {
    const old = this.figures.querySelector(".table");
    if (old) old.remove();
    if (!this.figures.open || this.spec.empty) return;
    const low = (axis, name) => this.spec.series.some(({ points }) => points.some((point) => known(point[axis + name])));
    const columns = [{ name: "line", kind: "text" }, { name: "point", kind: "text" }];
    const values = [];
    for (const axis of ["x", "y"]) {
      const names = [["", ""], ["low", " low"], ["high", " high"]].filter(([end]) => !end || low(axis, end));
      for (const [end, said] of names) {
        columns.push({ name: this.spec[axis].title + said, kind: "number" });
        values.push(axis + end);
      }
    }
    const rows = this.spec.series.filter((series) => !series.dots).flatMap((series) => series.points
      .filter((point) => known(point.x) && known(point.y))
      .map((point) => [series.name || "", point.label || "", ...values.map((name) => point[name] ?? null)]));
    this.figures.append(tableOf({ id: `${this.id}-figures`, title: this.spec.title, columns, rows }, { most: 300 }));
  }
}

function pathOf(placed, step) {
  let path = "", pen = false, before = null;
  for (const { px, py } of placed) {
    if (!known(px) || !known(py)) {
      pen = false;
      continue;
    }
    if (pen && step) path += `H${px.toFixed(1)}V${py.toFixed(1)}`;
    else path += `${pen ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`;
    [pen, before] = [true, py];
  }
  return before === null ? "" : path;
}

// A circle for a valid level, a triangle for a degraded one, a cross for an invalid one.
function shape(verdict, x, y, size) {
  if (verdict === "degraded") {
    const s = size * 1.15;
    return `M${x} ${y - s}L${x + s} ${y + s * 0.8}L${x - s} ${y + s * 0.8}Z`;
  }
  if (verdict === "invalid") return `M${x - size} ${y - size}L${x + size} ${y + size}M${x + size} ${y - size}L${x - size} ${y + size}`;
  return `M${x - size} ${y}a${size} ${size} 0 1 0 ${2 * size} 0a${size} ${size} 0 1 0 ${-2 * size} 0Z`;
}

function apart(one, other) {
  return one[2] <= other[0] || other[2] <= one[0] || one[3] <= other[1] || other[3] <= one[1];
}

function entry(series) {
  const svg = draw("svg", { viewBox: "0 0 26 12", class: `series dash-${series.dash || 0}`, "aria-hidden": "true" });
  svg.style.setProperty("--c", series.colour);
  if (series.line === false) svg.append(draw("path", { class: "mark", d: shape("valid", 13, 6, 4) }));
  else svg.append(draw("path", { class: "line", d: "M1 6H25" }));
  return make("li", { title: series.name }, svg, shorten(series.name, 48));
}

const SIGNS = {
  valid: "measurement valid", degraded: "measurement degraded", invalid: "measurement invalid",
  misses: "misses a budget", best: "chosen level",
};

function sign(name) {
  const svg = draw("svg", { viewBox: "0 0 20 16", class: "series", "aria-hidden": "true" });
  svg.style.setProperty("--c", "var(--grey)");
  if (name === "best") svg.append(draw("circle", { class: "ring", cx: 10, cy: 8, r: 7 }));
  else svg.append(draw("path", { class: `mark${name === "misses" ? " hollow" : ""}`, d: shape(name, 10, 8, 5) }));
  return make("li", {}, svg, SIGNS[name]);
}
