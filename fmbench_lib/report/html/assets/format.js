// Numbers as text, with the rules of the report: few digits, the unit, a dash for what is missing.

const MISSING = "–";

function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function significant(value, digits = 3) {
  if (!known(value)) return MISSING;
  if (value === 0) return "0";
  const rounded = Number(value.toPrecision(digits));
  return withDecimals(value, Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(rounded)))));
}

const writers = new Map();

function withDecimals(value, decimals) {
  const most = Math.min(decimals, 20);
  if (!writers.has(most)) {
    writers.set(most, new Intl.NumberFormat("en-US", { minimumFractionDigits: most, maximumFractionDigits: most }));
  }
  return writers.get(most).format(value);
}

function seconds(value) {
  if (!known(value)) return MISSING;
  if (value !== 0 && Math.abs(value) < 0.1) return `${significant(value * 1000)} ms`;
  return `${significant(value)} s`;
}

function dollars(value) {
  if (!known(value)) return MISSING;
  const large = value >= 0.1 || value === 0;
  return `${large ? withDecimals(value, 2) : plain(value)} USD`;
}

function count(value) {
  return known(value) ? withDecimals(Math.round(value), 0) : MISSING;
}

function percent(value) {
  if (!known(value)) return MISSING;
  const share = value * 100;
  if (share > 0 && share < 0.01) return "< 0.01%";
  if (share > 99.99 && share < 100) return "> 99.99%";
  return `${plain(share, share > 99 ? 4 : 2)}%`;
}

// A number without needless zeros, as a config would write it: 0.05, 2, 1,500.
function plain(value, digits = 3) {
  if (!known(value)) return MISSING;
  const text = significant(value, digits);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function duration(value) {
  if (!known(value)) return MISSING;
  const whole = Math.round(value);
  if (whole < 60) return seconds(value);
  const two = (part) => String(part).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

const FORMATS = {
  seconds, duration, count, share: percent, usd: (value) => dollars(value).replace(" USD", ""),
  number: (value) => significant(value),
};

// A figure with its interval: "1.92 s (95% CI 1.83 s to 2.18 s)"; "≈ 1.92 s (no interval)" without one.
function estimate(value, low, high, format) {
  if (!known(value)) return MISSING;
  if (!known(low) || !known(high)) return `≈ ${format(value)} (no interval)`;
  return `${format(value)} (95% CI ${format(low)} to ${format(high)})`;
}

// An element with its attributes, text or children. Texts are never read as markup.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

// Names in a sentence: of more than four the first three, and how many others there are.
function together(names) {
  return names.length <= 4 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} others`;
}

function shorten(text, longest) {
  if (text.length <= longest) return text;
  const tail = Math.floor((longest - 1) / 2);
  return `${text.slice(0, longest - 1 - tail)}…${text.slice(-tail)}`;
}
