// The todo list (a tree) and the table (flat, sorted): two looks at the same rows.

class Todo {
  constructor(room) {
    this.room = room;
    this.closed = new Set();
    this.order = [];
    this.active = 0;
    this.list = new LongList(room, 26, (at) => this.draw(at), { role: "treegrid", "aria-label": "Todo: every task, by story", "aria-colcount": "5" });
    this.list.el.classList.add("orch-todo");
    this.list.onrange = (first, end) => room.see(this.order.slice(first, end));
    this.list.el.addEventListener("keydown", (event) => this.key(event));
    this.list.el.addEventListener("focus", () => { if (!room.held) this.point(this.active); });
    this.el = make("div", { class: "orch-pane" }, heads(["task", "status", "attempts", "time", "what it waits for, or why"], "orch-todo-heads"), this.list.el);
    this.told = new Set();
    this.fold();
    this.build();
  }

  // Many rows below one are closed at first: their number stands in it, and who looks for one finds it.
  fold() {
    const { store } = this.room;
    for (const [n, kids] of store.children.entries()) {
      const many = kids.length && store.rows[kids[kids.length - 1]].derived ? kids.length > 24 : kids.length > 200 && store.rows.length > 400;
      if (many && !this.told.has(n)) { this.told.add(n); this.closed.add(n); }
    }
  }

  build() {
    const { store } = this.room;
    const wanted = this.room.filtered();
    const order = [];
    const walk = (rows) => {
      for (const n of rows) {
        if ((wanted && !wanted.has(n)) || !store.there(n)) continue;
        order.push(n);
        if (wanted || !this.closed.has(n)) walk(store.children[n]);
      }
    };
    walk(store.roots);
    this.order = order;
    this.at = new Map(order.map((n, index) => [n, index]));
    this.active = Math.min(this.active, Math.max(0, order.length - 1));
    this.list.el.setAttribute("aria-rowcount", String(order.length));
    this.list.resize(order.length);
    this.room.see(order.slice(...this.list.range()));
  }

  refresh(n) {
    const index = this.at.get(n);
    if (index !== undefined) this.list.refresh(index);
  }

  draw(index) {
    const { store, looks } = this.room;
    const n = this.order[index];
    const row = store.rows[n];
    const kids = store.children[n];
    const line = make("div", { class: "orch-row", role: "row", id: `${this.room.id}-row-${n}`, "aria-level": String(row.depth + 1), "aria-rowindex": String(index + 1) });
    if (index === this.active) line.classList.add("orch-active");
    if (n === this.room.chosen) { line.classList.add("orch-chosen"); line.setAttribute("aria-selected", "true"); }
    const name = make("span", { class: "orch-name", role: "gridcell" });
    name.style.paddingLeft = `${row.depth * 16}px`;
    if (kids.length) {
      const closed = this.closed.has(n);
      line.setAttribute("aria-expanded", String(!closed));
      name.append(make("span", { class: "orch-twist", "aria-hidden": "true", on: { click: (event) => { event.stopPropagation(); this.toggle(n); } } }, closed ? "▸" : "▾"));
    } else name.append(make("span", { class: "orch-twist", "aria-hidden": "true" }));
    name.append(make("span", { class: store.isStory(n) ? "orch-label orch-story" : "orch-label", title: row.label }, row.label));
    if (row.critical) name.append(make("span", { class: "orch-critical", title: "on the critical path", role: "img", "aria-label": ", on the critical path" }, "◆"));
    line.append(name);
    if (store.isStory(n)) {
      const counts = this.room.tally(n);
      line.append(make("span", { role: "gridcell", class: "orch-rest" }, badge(looks, store.worst(counts)), ` ${store.tallyText(looks, counts)}`));
      line.addEventListener("click", () => { this.point(index); this.toggle(n); });
      return line;
    }
    const state = store.of(n);
    line.append(
      make("span", { role: "gridcell" }, badge(looks, state.status)),
      make("span", { role: "gridcell", class: "orch-number" }, state.tries > 1 ? `×${state.tries}` : ""),
      make("span", { role: "gridcell", class: "orch-number orch-time" }, human(store.seconds(n))),
      make("span", { role: "gridcell", class: "orch-why", title: state.reason }, ...this.room.verbs(n, true), state.reason),
    );
    line.addEventListener("click", () => { this.point(index); this.room.choose(n); });
    return line;
  }

  tick() {
    for (const [index, line] of this.list.shown) {
      const n = this.order[index];
      if (this.room.store.isStory(n) || !OPEN_STATES.includes(this.room.store.of(n).status)) continue;
      const time = line.querySelector(".orch-time");
      if (time) time.textContent = human(this.room.store.seconds(n));
    }
  }

  point(index) {
    const before = this.active;
    this.active = Math.max(0, Math.min(index, this.order.length - 1));
    this.list.reveal(this.active);
    this.list.refresh(before);
    this.list.refresh(this.active);
    if (this.order.length) this.list.el.setAttribute("aria-activedescendant", `${this.room.id}-row-${this.order[this.active]}`);
  }

  toggle(n) {
    if (!this.room.store.children[n].length) return;
    if (!this.closed.delete(n)) this.closed.add(n);
    this.build();
    this.list.el.focus();
  }

  key(event) {
    if (event.target !== this.list.el) return;
    const n = this.order[this.active];
    const page = Math.max(1, Math.floor(this.list.el.clientHeight / 26) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.order.length, End: this.order.length };
    if (event.key in steps) this.point(this.active + steps[event.key]);
    else if (event.key === "ArrowRight" && this.closed.has(n)) this.toggle(n);
    else if (event.key === "ArrowLeft" && this.room.store.children[n].length && !this.closed.has(n)) this.toggle(n);
    else if (event.key === "ArrowLeft" && this.room.store.rows[n]?.parent != null) this.point(this.at.get(this.room.store.rows[n].parent) ?? this.active);
    else if (event.key === "Enter" && !this.room.store.isStory(n)) this.room.choose(n, true);
    else if ((event.key === "Enter" || event.key === " ") && this.room.store.isStory(n)) this.toggle(n);
    else if (event.key === " ") this.room.choose(n);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function heads(names, extra) {
  return make("div", { class: `orch-heads ${extra}`, "aria-hidden": "true" }, ...names.map((name) => make("span", {}, name)));
}

// [heading, what it is sorted by, width, whether it is of numbers, what of a row it needs: a column
// that no task has anything for is left out]
const COLUMNS = [
  ["task", (room, n) => room.store.rows[n].label, "minmax(100px, 2fr)"],
  ["story", (room, n) => room.store.rows[n].story ?? "", "minmax(64px, 1fr)", false, "story"],
  ["status", (room, n) => ORDER.indexOf(room.store.of(n).status), "128px"],
  ["attempts", (room, n) => room.store.of(n).tries, "68px", true],
  ["began", (room, n) => room.store.of(n).begun ?? Infinity, "72px", true],
  ["time", (room, n) => room.store.seconds(n) ?? -1, "68px", true],
  ["estimate", (room, n) => room.store.rows[n].estimate ?? -1, "68px", true, "estimate"],
  ["owner", (room, n) => room.store.rows[n].owner ?? "", "minmax(56px, .7fr)", false, "owner"],
];

class Table {
  constructor(room) {
    this.room = room;
    this.sort = [4, 1];
    this.order = [];
    this.head = make("div", { class: "orch-heads orch-table-heads", role: "row" });
    this.list = new LongList(room, 26, (at) => this.draw(at), { role: "rowgroup", "aria-label": "Tasks" });
    this.list.el.classList.add("orch-table");
    this.list.onrange = (first, end) => room.see(this.order.slice(first, end));
    this.el = make("div", { class: "orch-pane", role: "table", "aria-label": "Tasks as a table" }, this.head, this.list.el);
    this.heads();
  }

  heads() {
    const { rows } = this.room.store;
    this.columns = [...COLUMNS.keys()].filter((at) => !COLUMNS[at][4] || rows.some((row) => row[COLUMNS[at][4]]));
    const widths = this.columns.map((at) => COLUMNS[at][2]);
    this.el.style.setProperty("--orch-columns", widths.join(" "));
    // As wide as the columns at their narrowest, with the gaps and a scroll bar: beyond, it is scrolled.
    this.el.style.setProperty("--orch-least", `${widths.reduce((sum, width) => sum + Number(/\d+/.exec(width)[0]) + 8, 10)}px`);
    this.head.replaceChildren(...this.columns.map((at) => {
      const [name, , , number] = COLUMNS[at];
      const mine = this.sort[0] === at;
      const arrow = mine ? (this.sort[1] > 0 ? " ▴" : " ▾") : "";
      return make("span", { role: "columnheader", class: number ? "orch-number" : "", "aria-label": name, "aria-sort": mine ? (this.sort[1] > 0 ? "ascending" : "descending") : "none" },
        button(name + arrow, `Sort by ${name}`, () => { this.sort = [at, mine ? -this.sort[1] : 1]; this.heads(); this.build(); }, { class: "orch-sort", "aria-label": `Sort by ${name}` }));
    }));
  }

  build() {
    const { store } = this.room;
    const wanted = this.room.filtered();
    const key = COLUMNS[this.sort[0]][1];
    const rows = [];
    for (let n = 0; n < store.rows.length; n += 1) {
      if (!store.isStory(n) && store.there(n) && (!wanted || wanted.has(n))) rows.push([key(this.room, n), n]);
    }
    const way = this.sort[1];
    rows.sort(([a, i], [b, j]) => (a < b ? -way : a > b ? way : i - j));
    this.order = rows.map(([, n]) => n);
    this.at = new Map(this.order.map((n, index) => [n, index]));
    this.list.resize(this.order.length);
  }

  refresh(n) {
    const index = this.at?.get(n);
    if (index !== undefined) this.list.refresh(index);
  }

  draw(index) {
    const { store, looks, started } = this.room;
    const n = this.order[index];
    const row = store.rows[n];
    const state = store.of(n);
    const cells = [
      make("button", { type: "button", class: "orch-link", title: row.label, on: { click: () => this.room.choose(n, true) } }, row.label),
      row.story ?? "", badge(looks, state.status), state.tries || "",
      state.begun ? `+${human(state.begun - started)}` : "", human(store.seconds(n)),
      row.estimate != null ? human(row.estimate) : "", row.owner ?? "",
    ];
    const line = make("div", { class: "orch-row", role: "row" }, ...this.columns.map((at) => make("span", { role: "cell", class: COLUMNS[at][3] ? "orch-number" : "" }, cells[at])));
    if (n === this.room.chosen) line.classList.add("orch-chosen");
    return line;
  }

  tick() { this.list.fill(); }
}
