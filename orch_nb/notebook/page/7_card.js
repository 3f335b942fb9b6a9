// A task's card: what it is, what it was given, what it did, what can be done to it.

class Card {
  constructor(room) {
    this.room = room;
    this.el = make("aside", { class: "orch-card", "aria-label": "The chosen task", tabindex: "-1", hidden: "" });
    this.el.addEventListener("keydown", (event) => { if (event.key === "Escape") { this.room.choose(null); event.stopPropagation(); } });
  }

  // What is known at once; the kernel sends the rest.
  show(n) {
    if (n === null) { this.el.hidden = true; this.el.replaceChildren(); this.told = null; return; }
    this.el.hidden = false;
    if (this.told?.n !== n) this.told = { n };
    this.draw();
  }

  // Whether a row is one of those that the card names beside its own.
  shows(n) {
    const { id } = this.room.store.rows[n];
    return ["inputs", "waits", "waited"].some((list) => this.told?.[list]?.some(([name]) => name === id));
  }

  take(message) {
    const n = this.room.store.byId.get(message.task);
    if (n === undefined || n !== this.room.chosen) return;
    this.told = { n, ...message };
    this.draw();
  }

  draw() {
    const { room, told } = this;
    if (!told || room.rests(this, () => this.draw())) return;
    const n = told.n;
    const { store, looks } = room;
    const row = store.rows[n];
    const state = store.of(n);
    const focused = this.el.contains(document.activeElement) ? document.activeElement?.dataset?.name : null;
    const open = new Set([...this.el.querySelectorAll("details[open]")].map((one) => one.dataset.name));
    const typed = this.el.querySelector("input.orch-note")?.value;
    const parts = [
      make("div", { class: "orch-card-head" }, make("h4", {}, row.label),
        button("×", "Close the card (Escape)", () => room.choose(null), { class: "orch-close", "aria-label": "Close the card", "data-name": "close" })),
      make("div", {}, badge(looks, state.status), state.tries > 1 ? ` ${counted(state.tries, "attempt")}` : "", store.seconds(n) !== null ? ` ${human(store.seconds(n))}` : "",
        row.critical ? make("span", { class: "orch-critical" }, " ◆ critical path") : ""),
    ];
    if (state.reason) parts.push(make("p", { class: "orch-reason" }, state.reason));
    const verbs = room.verbs(n, false);
    if (verbs.length) parts.push(make("div", { class: "orch-verbs" }, ...verbs));
    if (told.spec) parts.push(this.facts(told.spec));
    if (told.inputs?.length) parts.push(this.tasks("Was given", told.inputs));
    if (told.result) parts.push(this.result(told.result));
    for (const attempt of told.attempts ?? []) parts.push(this.attempt(attempt));
    if (told.log?.length) parts.push(this.fold("log", `Log, last ${counted(told.log.length, "line")}`, make("pre", { class: "orch-pre" }, ansi(told.log.join("\n"))), true,
      button("All of it", "Open this task's log", () => { room.log.choose(row.id); room.tab("log"); }, { "data-name": "alllog" })));
    if (told.waits?.length) parts.push(this.tasks("Waits for", told.waits));
    if (told.waited?.length) parts.push(this.tasks("What waits for it", told.waited));
    if (told.document) parts.push(this.fold("plan", "As the plan has it", make("pre", { class: "orch-pre" }, told.document)));
    if (told.spec === undefined) parts.push(make("p", { class: "orch-muted" }, room.hears ? "asking the kernel …" : "The kernel is busy with this cell: the rest can be seen when it ends."));
    this.el.replaceChildren(...parts);
    for (const one of this.el.querySelectorAll("details")) if (open.has(one.dataset.name)) one.open = true;
    if (typed) { const note = this.el.querySelector("input.orch-note"); if (note) note.value = typed; }
    if (focused) this.el.querySelector(`[data-name="${CSS.escape(focused)}"]`)?.focus();
  }

  facts(pairs) {
    const list = make("dl", { class: "orch-facts" });
    for (const [name, value] of pairs) list.append(make("dt", {}, name), make("dd", {}, value));
    return list;
  }

  fold(name, title, body, open = false, ...more) {
    const made = make("details", { "data-name": name }, make("summary", {}, title), body, ...more);
    made.open = open;
    return made;
  }

  tasks(title, names) {
    const { room } = this;
    const list = make("ul", { class: "orch-tasks" });
    for (const [id, value] of names.slice(0, 30)) {
      const n = room.store.byId.get(id);
      const link = n === undefined ? id : button(room.store.rows[n].label, `Open the card of ${id}`, () => room.choose(n, true), { class: "orch-link", "data-name": `to-${id}` });
      list.append(make("li", {}, link, n === undefined ? "" : " ", n === undefined ? "" : badge(room.looks, room.store.of(n).status), value ? make("code", {}, ` ${value}`) : ""));
    }
    if (names.length > 30) list.append(make("li", { class: "orch-muted" }, `and ${names.length - 30} more`));
    return make("div", {}, make("h5", {}, title), list);
  }

  result({ text, kind, table, png, note, alt }) {
    const made = make("div", {}, make("h5", {}, `Result${kind ? ` (${kind})` : ""}`));
    if (png) made.append(make("img", { src: `data:image/png;base64,${png}`, alt: alt || "the picture that the task returned" }));
    if (table) {
      const head = make("tr", {}, ...table.columns.map((name) => make("th", { scope: "col" }, name)));
      const body = table.rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))));
      made.append(make("div", { class: "orch-scroll" }, make("table", { class: "orch-frame" }, make("thead", {}, head), make("tbody", {}, ...body))));
    }
    if (text && !table) made.append(make("pre", { class: "orch-pre" }, text));
    if (!text && !table && !png) made.append(make("p", { class: "orch-muted" }, "an empty text"));
    if (note) made.append(make("p", { class: "orch-muted" }, note));
    return made;
  }

  attempt({ number, status, seconds, error, traceback, note }) {
    const look = looked(this.room.looks, status);
    const title = `Attempt ${number}: ${look.glyph} ${look.word}${seconds !== null ? `, ${human(seconds)}` : ""}${note ? ` · ${note}` : ""}`;
    const body = make("div", {}, error ? make("p", {}, make("code", {}, error)) : "", traceback ? make("pre", { class: "orch-pre" }, ansi(traceback)) : "");
    return error || traceback ? this.fold(`attempt-${number}`, title, body, status === "failed") : make("div", { class: "orch-muted" }, title);
  }
}
