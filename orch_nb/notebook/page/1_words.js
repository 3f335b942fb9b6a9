// Words, elements, numbers: what every part of the room's page is made of.
// The files of this folder are one module: room_view.py puts them one after the other.
// Text of people and machines only ever becomes text nodes.

function human(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "";
  if (seconds < 0.0005) return "<1 ms";
  if (seconds < 0.0995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

function counted(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`;
}

function make(kind, attributes = {}, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (value !== undefined && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function button(text, title, act, extra = {}) {
  return make("button", { type: "button", class: "orch-button", title, on: { click: act }, ...extra }, text);
}

let _ids = 0;
function freshId(word) {
  _ids += 1;
  return `orch-${word}-${_ids}`;
}

function looked(looks, state) {
  return looks[state] ?? { glyph: "·", word: String(state), text: "#424a53", fill: "#eaeef2" };
}

function badge(looks, state, extra = "") {
  const look = looked(looks, state);
  const made = make("span", { class: "orch-badge" }, `${look.glyph} ${look.word}${extra}`);
  made.style.color = look.text;
  made.style.backgroundColor = look.fill;
  return made;
}

// Lists of any length: only the rows in sight exist. `draw(index)` makes a row's element.
class LongList {
  constructor(room, rowHeight, draw, attributes) {
    this.room = room;
    this.rowHeight = rowHeight;
    this.draw = draw;
    this.count = 0;
    this.shown = new Map();
    this.space = make("div", { class: "orch-space", role: "presentation" });
    this.el = make("div", { class: "orch-list", tabindex: "0", ...attributes }, this.space);
    this.el.addEventListener("scroll", () => this.fill());
    this.onrange = () => {};
    new ResizeObserver(() => this.fill()).observe(this.el);
  }

  resize(count) {
    this.count = count;
    this.space.style.height = `${count * this.rowHeight}px`;
    this.redraw();
  }

  range() {
    const first = Math.max(0, Math.floor(this.el.scrollTop / this.rowHeight) - 4);
    const many = Math.ceil((this.el.clientHeight || 400) / this.rowHeight) + 8;
    return [first, Math.min(this.count, first + many)];
  }

  fill() {
    const [first, end] = this.range();
    let changed = false;
    for (const [index, row] of this.shown) {
      if (index < first || index >= end) { row.remove(); this.shown.delete(index); changed = true; }
    }
    for (let index = first; index < end; index += 1) {
      if (!this.shown.has(index)) { this.place(index); changed = true; }
    }
    if (changed) this.onrange(first, end);
  }

  place(index) {
    const row = this.draw(index);
    row.style.top = `${index * this.rowHeight}px`;
    row.style.height = `${this.rowHeight}px`;
    const old = this.shown.get(index);
    if (old) old.replaceWith(row);
    else this.space.append(row);
    this.shown.set(index, row);
  }

  // The rows in sight anew, since what they show has changed.
  redraw() {
    if (this.room.rests(this, () => this.redraw())) return;
    for (const row of this.shown.values()) row.remove();
    this.shown.clear();
    this.fill();
  }

  refresh(index) {
    if (this.shown.has(index) && !this.room.rests(this, () => this.redraw())) this.place(index);
  }

  reveal(index) {
    const top = index * this.rowHeight;
    if (top < this.el.scrollTop) this.el.scrollTop = top;
    else if (top + this.rowHeight > this.el.scrollTop + this.el.clientHeight) {
      this.el.scrollTop = top + this.rowHeight - this.el.clientHeight;
    }
    this.fill();
  }
}

// Terminal colours as spans. The sequences that are no colours are left out.
const ANSI_COLOURS = ["#57606a", "#cf222e", "#1a7f37", "#9a6700", "#0969da", "#8250df", "#1b7c83", "#6e7781"];

function ansi(text) {
  const found = document.createDocumentFragment();
  const style = { colour: "", fill: "", bold: false, faint: false, italic: false, under: false };
  const put = (words) => {
    if (!words) return;
    const plain = !style.colour && !style.fill && !style.bold && !style.faint && !style.italic && !style.under;
    if (plain) { found.append(words); return; }
    const span = make("span", {}, words);
    if (style.colour) span.style.color = style.colour;
    if (style.fill) { span.style.backgroundColor = style.fill; if (!style.colour) span.style.color = "#ffffff"; }
    if (style.bold) span.style.fontWeight = "700";
    if (style.faint) span.style.opacity = "0.7";
    if (style.italic) span.style.fontStyle = "italic";
    if (style.under) span.style.textDecoration = "underline";
    found.append(span);
  };
  const far = (codes) => {
    if (codes[0] === 5) {
      const n = codes[1] ?? 0;
      codes.splice(0, 2);
      if (n < 16) return ANSI_COLOURS[n % 8];
      if (n >= 232) { const grey = 8 + (n - 232) * 10; return `rgb(${grey},${grey},${grey})`; }
      const step = (v) => (v ? 55 + v * 40 : 0);
      const cube = n - 16;
      return `rgb(${step(Math.floor(cube / 36))},${step(Math.floor(cube / 6) % 6)},${step(cube % 6)})`;
    }
    if (codes[0] === 2) {
      const [, red, green, blue] = codes.splice(0, 4);
      return `rgb(${(red ?? 0) & 255},${(green ?? 0) & 255},${(blue ?? 0) & 255})`;
    }
    return "";
  };
  // eslint-disable-next-line no-control-regex
  const pattern = /\u001b\[([0-9;:]*)([A-Za-z])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[@-_]?/g;
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    put(text.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2] !== "m") continue;
    const codes = (match[1] || "0").split(/[;:]/).map(Number);
    while (codes.length) {
      const code = codes.shift();
      if (code === 0) Object.assign(style, { colour: "", fill: "", bold: false, faint: false, italic: false, under: false });
      else if (code === 1) style.bold = true;
      else if (code === 2) style.faint = true;
      else if (code === 3) style.italic = true;
      else if (code === 4) style.under = true;
      else if (code === 22) { style.bold = false; style.faint = false; }
      else if (code === 23) style.italic = false;
      else if (code === 24) style.under = false;
      else if (code >= 30 && code <= 37) style.colour = ANSI_COLOURS[code - 30];
      else if (code >= 90 && code <= 97) style.colour = ANSI_COLOURS[code - 90];
      else if (code >= 40 && code <= 47) style.fill = ANSI_COLOURS[code - 40];
      else if (code >= 100 && code <= 107) style.fill = ANSI_COLOURS[code - 100];
      else if (code === 38) style.colour = far(codes);
      else if (code === 48) style.fill = far(codes);
      else if (code === 39) style.colour = "";
      else if (code === 49) style.fill = "";
    }
  }
  put(text.slice(at));
  return found;
}
