// Tables that sort, filter (rows whose texts hold every word) and are copied as CSV.

const RIGHT = new Set(["count", "number", "seconds", "share", "usd", "duration"]);
const HEADINGS = { seconds: "s", share: "share", usd: "USD", duration: "s" };

// `table`: id, title, columns (name, kind), rows of raw values · `most`: rows that are shown at once.
function tableOf(table, { most = 200, filter = true } = {}) {
  const state = { by: -1, down: false, needle: "", all: false };
  const body = make("tbody");
  const heads = table.columns.map((column, index) => {
    const button = make("button", { type: "button" }, column.name);
    button.addEventListener("click", () => {
      state.down = state.by === index ? !state.down : false;
      state.by = index;
      fill();
    });
    return make("th", { scope: "col", class: RIGHT.has(column.kind) ? "right" : null }, button);
  });
  const found = make("span", { class: "found", role: "status" });
  const more = make("button", { type: "button", hidden: true }, "Show all");
  more.addEventListener("click", () => {
    state.all = true;
    fill();
  });
  const search = make("input", { type: "search", placeholder: "Filter rows", "aria-label": `Filter rows: ${table.title}` });
  search.addEventListener("input", () => {
    state.needle = search.value.toLowerCase();
    fill();
  });
  const copied = make("button", { type: "button" }, "Copy as CSV");
  copied.addEventListener("click", () => copyText(csvOf(table, visible()), copied));

  function visible() {
    const words = state.needle.split(/\s+/).filter(Boolean);
    const texts = table.columns.map((column) => !RIGHT.has(column.kind));
    const rows = table.rows.filter((row) => {
      const line = row.filter((_, index) => texts[index]).map((value) => cellText(value)).join(" ").toLowerCase();
      return words.every((word) => line.includes(word));
    });
    if (state.by < 0) return rows;
    const kind = table.columns[state.by].kind;
    return [...rows].sort((one, other) => compare(one[state.by], other[state.by], kind, state.down));
  }

  function fill() {
    const rows = visible();
    const shown = state.all ? rows : rows.slice(0, most);
    body.replaceChildren(...shown.map((row) => make("tr", {}, ...row.map((value, index) => cell(value, table.columns[index].kind)))));
    heads.forEach((head, index) => head.setAttribute("aria-sort", state.by !== index ? "none" : state.down ? "descending" : "ascending"));
    more.hidden = shown.length === rows.length;
    const of = rows.length === table.rows.length ? "" : ` of ${count(table.rows.length)}`;
    found.textContent = `${count(shown.length)}${shown.length < rows.length ? ` of ${count(rows.length)}` : of} rows`;
  }

  fill();
  const grid = make("table", {}, make("caption", { class: "unseen" }, table.title), make("thead", {}, make("tr", {}, ...heads)), body);
  const scroll = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": table.title }, grid);
  const element = make("div", { class: "table", id: `table-${table.id}` }, make("div", { class: "tools" }, filter ? search : null, copied, more, found), scroll);
  element.narrow = (keep) => {
    table = { ...table, rows: keep };
    fill();
  };
  return element;
}

function cellText(value, kind) {
  if (value === null || value === undefined || value === "") return MISSING;
  if (Array.isArray(value)) return String(value[0]);
  return typeof value === "number" && FORMATS[kind] ? FORMATS[kind](value) : String(value);
}

function cell(value, kind) {
  const attributes = { class: RIGHT.has(kind) ? "right" : kind === "load" || String(value ?? "").length <= 24 ? "load" : String(value ?? "").length > 40 ? "long" : null };
  const text = cellText(value, kind);
  if (kind === "link") return make("td", { class: text.length <= 40 ? "load" : null }, linkOf(value));
  if (kind === "pick") return make("td", {}, pickBox(value));
  if (kind === "verdict") return make("td", { class: "verdict-cell" }, make("span", { class: `verdict ${["valid", "degraded", "invalid"].includes(text) ? text : ""}` }, text));
  return make("td", attributes, text);
}

// A text that leads to an address, or the text alone; an address is one that we made, relative to the page.
function linkOf([text, address]) {
  return address ? make("a", { href: address }, text) : document.createTextNode(cellText(text));
}

// A box that puts a row into the page's comparison.
function pickBox([name, index]) {
  const box = make("input", { type: "checkbox", "aria-label": `Compare ${name}` });
  box.checked = PICKED.has(index);
  box.addEventListener("change", () => pick(index, box.checked));
  return box;
}

// By number where there is one, else by text; what is missing comes last either way.
function compare(one, other, kind, down) {
  const key = (value) => (Array.isArray(value) ? value.slice(1) : [value]);
  const [left, right] = [key(one), key(other)];
  const empty = (keys) => keys.every((value) => value === null || value === undefined || value === "");
  if (empty(left) || empty(right)) return empty(left) - empty(right);
  for (let index = 0; index < left.length; index += 1) {
    const [a, b] = [left[index], right[index]];
    const by = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    if (by) return down ? -by : by;
  }
  return 0;
}

// Raw values; a text that a spreadsheet would take for a formula gets an apostrophe.
function csvOf(table, rows) {
  const quoted = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    let text = String(Array.isArray(value) ? value[0] : value);
    if (/^[=+\-@\t\r\n]/.test(text.normalize("NFKC").trimStart()) && !known(Number(text))) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const heading = ({ name, kind }) => (HEADINGS[kind] && !name.includes("USD") ? `${name} (${HEADINGS[kind]})` : name);
  return [table.columns.map(heading), ...rows].map((row) => row.map(quoted).join(",")).join("\n") + "\n";
}

// To the clipboard where the page may write it; else the text is shown, selected, to be copied by hand.
async function copyText(text, button) {
  const said = button.textContent;
  const done = (await clipboardTook(text)) || selectionTook(text);
  if (!done) {
    const area = make("textarea", { class: "by-hand", readonly: true, rows: 8, "aria-label": "CSV, to be copied" });
    area.value = text;
    button.closest(".table").querySelector(".by-hand")?.remove();
    button.closest(".tools").after(area);
    area.focus();
    area.select();
  }
  button.textContent = done ? "Copied" : "Copy the selected text";
  setTimeout(() => { button.textContent = said; }, 2000);
}

async function clipboardTook(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function selectionTook(text) {
  const area = make("textarea", { class: "unseen" });
  area.value = text;
  document.body.append(area);
  area.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    done = false;
  }
  area.remove();
  return done;
}
