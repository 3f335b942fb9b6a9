// The room: one a run. It keeps no logic of the run's: it shows what the kernel sends and sends what
// the person wants. room_view.py says what the messages are.

const PHASES = ["ANALYZE", "RESEARCH", "DECOMPOSE", "EXECUTE", "INTEGRATE"];
const TABS = [["todo", "Todo"], ["dag", "DAG"], ["timeline", "Timeline"], ["log", "Log"], ["table", "Table"]];
const HOLD_MS = 10000;  // a button that is down for longer was let go of where no page heard of it

class Room {
  constructor(model, el) {
    this.model = model;
    this.id = freshId("room");
    this.looks = model.get("looks");
    this.store = new Store(JSON.parse(model.get("rows")));
    this.started = model.get("started");
    this.finished = null;
    this.live = true;
    this.hears = model.get("hears");
    this.chosen = null;
    this.words = "";
    this.only = new Set();
    this.asks = new Map();
    this.seen = "";
    this.held = false;
    this.later = new Map(); // what is to be drawn when the button of the mouse is up
    this.build(el);
    this.first();
  }

  // -- making the page ---------------------------------------------------------------------------

  build(el) {
    this.root = make("section", { class: "orch-room", "aria-label": `Run of ${this.model.get("goal")}`, "data-lm-suppress-shortcuts": "true" });
    this.root.addEventListener("keydown", (event) => { if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); });
    // Lab's own keys rest while a person types here, but for those with Ctrl or Command: it saves.
    this.keys = (event) => {
      if (!this.root.contains(event.target)) return;
      const free = (event.ctrlKey || event.metaKey) && event.key !== "Enter";
      // On what has the focus, too: Lab looks there first, and some of its keys are for that alone.
      for (const one of [this.root, event.target]) {
        if (free) delete one.dataset.lmSuppressShortcuts;
        else one.dataset.lmSuppressShortcuts = "true";
      }
    };
    window.addEventListener("keydown", this.keys, true);
    this.root.addEventListener("pointerdown", (event) => this.press(event), true);
    window.addEventListener("pointerup", this.release = () => setTimeout(() => this.rise()));
    window.addEventListener("pointercancel", this.release);
    window.addEventListener("pointermove", this.moved = (event) => { if (this.held && !event.buttons) this.rise(); });
    this.state = make("span", { class: "orch-state" });
    this.clock = make("span", { class: "orch-muted orch-clock" });
    this.bar = make("div", { class: "orch-bar", role: "progressbar", "aria-label": "Tasks that have ended", "aria-valuemin": "0" });
    this.chips = make("div", { class: "orch-chips", role: "group", "aria-label": "Show only tasks of a state" });
    this.live_ = make("div", { class: "orch-silent", role: "status", "aria-live": "polite", "aria-atomic": "false" });
    this.wants = make("div", { class: "orch-wants" });
    this.error = make("div", { class: "orch-error", role: "alert", hidden: "" });
    this.strip = make("div", { class: "orch-strip", role: "group", "aria-label": "Phases" });
    this.section = make("div", { class: "orch-section", hidden: "" });
    this.controls = this.makeControls();
    this.past = new Past(this);
    this.todo = new Todo(this);
    this.dag = new Dag(this);
    this.timeline = new Timeline(this);
    this.log = new Log(this);
    this.table = new Table(this);
    this.card = new Card(this);
    const title = make("h3", { class: "orch-goal" }, this.model.get("goal") || "Untitled");
    const run = make("code", { class: "orch-muted" }, this.model.get("run_id"));
    this.runName = run;
    this.root.append(
      make("header", { class: "orch-head" }, title, this.state, run), this.strip, this.section,
      make("div", { class: "orch-progress" }, this.bar, this.clock), this.chips, this.controls, this.error, this.wants,
      this.makeTabs(), this.past.el, make("div", { class: "orch-body" }, make("div", { class: "orch-panes" }, ...TABS.map(([name]) => this.panels.get(name))), this.card.el), this.live_);
    el.append(this.root);
    this.tab("todo", false);
    this.drawStrip();
  }

  // While a button of the mouse is down nothing under it is made anew: what changes several times a
  // second would take the click away. A slider, a drawing and a scroll bar are drawn while held.
  press(event) {
    if (!event.target.closest("button, .orch-row")) return;
    this.held = true;
    clearTimeout(this.riseLater);
    this.riseLater = setTimeout(() => this.rise(), HOLD_MS);
  }

  rise() {
    this.held = false;
    const acts = [...this.later.values()];
    this.later.clear();
    for (const act of acts) act();
  }

  rests(key, act) {
    if (this.held) this.later.set(key, act);
    return this.held;
  }

  makeControls() {
    const { hears } = this;
    this.pause = button("‖ Pause", "Start no further task", () => this.wish(this.told?.paused ? "resume" : "pause"));
    this.cancel = button("⊗ Cancel run", "Cancel the run: what runs is stopped, nothing more starts", () => this.sure(this.cancel, "Cancel the whole run?", () => this.wish("cancel")));
    this.again = button("↻ Retry failed", "Try every failed task anew", () => this.wish("retry"));
    this.goOn = button("▶ Go on", "Perform what is left of the run, in this kernel", () => this.wish("recover"));
    this.fewer = button("−", "One worker fewer", () => this.workers(-1), { "aria-label": "One worker fewer" });
    this.more = button("+", "One worker more", () => this.workers(1), { "aria-label": "One worker more" });
    this.number = make("span", { class: "orch-workers", "aria-live": "polite" });
    this.travel = button("⏱ Time travel", "Show the run as it stood at any moment", () => (this.past.el.hidden ? this.past.enter() : this.past.leave()));
    this.search = make("input", { type: "search", class: "orch-search", placeholder: "Find a task", "aria-label": "Find a task", on: { input: () => this.filter() } });
    this.deaf = make("span", { class: "orch-muted" });
    if (!hears) this.deaf.textContent = this.model.get("deaf");
    return make("div", { class: "orch-controls", role: "toolbar", "aria-label": "Controls of the run" }, this.pause, this.cancel, this.goOn, this.again,
      this.crew = make("span", { class: "orch-crew", role: "group", "aria-label": "Workers" }, this.fewer, this.number, this.more), this.travel, this.search, this.deaf);
  }

  makeTabs() {
    this.tabs = new Map();
    this.panels = new Map();
    const list = make("div", { class: "orch-tabs", role: "tablist", "aria-label": "Looks at the run" });
    for (const [name, title] of TABS) {
      const tab = make("button", { type: "button", role: "tab", id: `${this.id}-tab-${name}`, "aria-controls": `${this.id}-${name}`, on: { click: () => this.tab(name) } }, title);
      const panel = make("div", { role: "tabpanel", id: `${this.id}-${name}`, "aria-labelledby": `${this.id}-tab-${name}`, hidden: "" }, this[name].el);
      this.tabs.set(name, tab);
      this.panels.set(name, panel);
      list.append(tab);
    }
    list.addEventListener("keydown", (event) => {
      const names = [...this.tabs.keys()];
      const at = names.indexOf(this.current);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
      if (to === undefined) return;
      this.tab(names[(to + names.length) % names.length]);
      this.tabs.get(this.current).focus();
      event.preventDefault();
    });
    return list;
  }

  tab(name, fresh = true) {
    this.current = name;
    for (const [one, tab] of this.tabs) {
      tab.setAttribute("aria-selected", String(one === name));
      tab.tabIndex = one === name ? 0 : -1;
      this.panels.get(one).hidden = one !== name;
    }
    if (!fresh) return;
    if (name === "log" && !this.log.lines.length) this.ask({ ask: "log", task: this.log.task, after: this.log.last });
    this.redraw();
  }

  redraw() {
    if (this.current === "todo" || this.current === "table") this[this.current].build();
    else if (this.current === "dag") { this.dag.repaint(); this.dag.light(this.chosen); }
    else if (this.current === "timeline") this.timeline.draw();
    else this.log.build();
  }

  // -- what comes from the kernel ----------------------------------------------------------------

  // A page that is opened, reloaded or a second view: what the model holds, then all anew.
  first() {
    this.letters();
    this.ask({ ask: "hello" });
    this.head(this.model.get("head"));
  }

  // One letter a row of the plan: enough for a page that no message has reached.
  letters() {
    const codes = this.model.get("codes");
    [...this.model.get("states")].forEach((letter, n) => {
      const status = codes[letter];
      if (status && n < this.store.rows.length && !this.store.isStory(n) && this.store.state[n].status !== status) {
        this.store.set(n, { ...this.store.state[n], status });
        this.changed(n);
      }
    });
    this.settle();
  }

  take(message) {
    const kinds = {
      rows: () => { this.store.add(message.rows.slice(Math.max(0, this.store.rows.length - message.from))); this.todo.fold(); this.todo.build(); },
      states: () => this.states(message), head: () => this.head(message.head), card: () => this.card.take(message), log: () => this.log.take(message),
      section: () => this.showSection(message), drawing: () => this.dag.show(message.drawing), history: () => this.past.take(message),
      refused: () => this.complain(message.text), printed: () => { if (this.current === "log") this.ask({ ask: "log", task: this.log.task, after: this.log.last }); },
    };
    kinds[message.kind]?.();
  }

  states(message) {
    this.store.skew = message.now * 1000 - Date.now();
    const failed = [];
    for (const [n, status, tries, begun, finished, reason, bars] of message.states) {
      if (n >= this.store.rows.length) continue;
      if (status === "failed" && this.store.state[n].status !== "failed") failed.push(n);
      this.store.set(n, { status, tries, begun, finished, reason, bars });
      this.changed(n);
    }
    if (this.met && failed.length) this.tell(failed.length > 2 ? `${failed.length} tasks failed` : failed.map((n) => `${this.store.rows[n].label} failed: ${this.store.state[n].reason}`).join("; "));
    this.met = true; // what had failed before this page was opened is no news
    this.timeline.refreshAll(message.states.map(([n]) => n).filter((n) => n < this.store.rows.length));
    this.settle();
  }

  changed(n) {
    this.want(n); // in the past, too: people are asked now
    if (this.store.travel) return;
    if (this.current === "todo") { this.todo.refresh(n); for (let up = this.store.rows[n].parent; up != null; up = this.store.rows[up].parent) this.todo.refresh(up); }
    else if (this.current === "dag") this.dag.refresh(n);
    else if (this.current === "table") this.table.refresh(n);
    if (n === this.chosen || this.card.shows(n)) this.dueCard = true;
  }

  settle() {
    this.dag.settle();
    this.drawWants();
    this.counts();
    if (this.settled !== this.settling()) { this.settled = this.settling(); this.redraw(); }
    if (this.only.size && !this.store.travel) this.dueFilter = true;
  }

  head(head) {
    if (!head || head.status === undefined) return;
    const could = Boolean(this.told?.steerable && this.hears);
    this.told = head;
    this.live = head.live;
    this.started = head.started;
    this.finished = head.finished;
    this.hears = head.hears;
    this.runName.textContent = head.run_id;
    const word = head.paused && head.live ? "paused" : head.status;
    if (this.word !== word) { this.word = word; this.tell(`The run is ${looked(this.looks, word).word}.`); }
    this.state.replaceChildren(badge(this.looks, word));
    this.deaf.textContent = head.hears ? head.note : this.model.get("deaf");
    this.drawControls();
    this.drawStrip();
    this.drawWants();
    const settled = this.settling();
    if (could !== Boolean(head.steerable && head.hears) || this.settled !== settled) this.redraw();
    this.settled = settled;
    this.tick();
    if (this.current === "timeline") this.timeline.draw();
  }

  // The plan's tasks have all ended and the run has not: what was done is undone, or what is for a
  // failure runs. Until that has ended nothing can be tried anew.
  settling() { return this.live && this.store.total() > 0 && this.store.ended() === this.store.total(); }

  drawControls() {
    const { told } = this;
    const failed = (this.store.counts.get("failed") ?? 0) > 0;
    const words = told.paused ? "▶ Resume" : "‖ Pause";
    if (this.pause.textContent !== words) { this.pause.textContent = words; this.pause.title = told.paused ? "Start tasks again" : "Start no further task"; this.tell(told.paused ? "Paused" : "Going on"); }
    for (const one of [this.pause, this.cancel, this.fewer, this.more]) one.disabled = !told.live || !told.hears;
    this.pause.hidden = this.cancel.hidden = this.crew.hidden = !told.live;
    this.goOn.hidden = told.live || !told.steerable || !["cut_off", "waiting", "running"].includes(told.status);
    this.goOn.title = told.status === "running" ? "Follow the run again, which another system owns" : "Perform what is left of the run, in this kernel";
    this.again.hidden = !failed;
    this.again.disabled = !told.hears || !told.steerable || this.settling();
    this.again.title = this.settling() ? "When what is undone has been: then the run can be retried" : "Try every failed task anew";
    this.cancel.disabled = this.cancel.disabled || this.settling();
    this.travel.disabled = !told.hears;
    if (this.crewWants === told.workers) this.crewWants = undefined;
    const many = this.crewWants ?? told.workers;
    const crew = ` ${counted(many, "worker")} `;
    if (this.number.textContent !== crew) this.number.textContent = crew;
    this.fewer.disabled = this.fewer.disabled || many <= 1;
  }

  drawStrip() {
    if (this.rests("strip", () => this.drawStrip())) return;
    const told = this.told?.phases ?? {};
    this.strip.replaceChildren(...PHASES.map((name, at) => {
      const ahead = name === "INTEGRATE" && this.live; // the others are left out where they are not told
      const { state = ahead ? "pending" : "skipped", finding = "" } = told[name] ?? {};
      const look = looked(this.looks, state);
      const open = this.opened === name;
      const one = button(`${look.glyph} ${at + 1} ${name}`, finding || look.word, () => this.phase(name), { class: "orch-phase", "aria-pressed": String(open), "aria-label": `${name}: ${look.word}${finding ? `, ${finding}` : ""}` });
      one.style.color = look.text;
      one.style.backgroundColor = look.fill;
      one.disabled = !["EXECUTE"].includes(name) && (!told[name] || !this.hears);
      return one;
    }));
  }

  phase(name) {
    if (name === "EXECUTE" || this.opened === name) { this.opened = null; this.section.hidden = true; this.drawStrip(); return; }
    this.opened = name;
    this.section.hidden = false;
    this.section.replaceChildren(make("span", { class: "orch-muted" }, "…"));
    this.drawStrip();
    this.ask({ ask: "section", name });
  }

  // Made by orch_nb's own writer, which escapes everything; no script of it would run here either.
  showSection({ name, html }) {
    if (name !== this.opened) return;
    const parsed = new DOMParser().parseFromString(html, "text/html");
    for (const bad of parsed.querySelectorAll("script,iframe,object,embed,link,meta,style,form")) bad.remove();
    this.section.replaceChildren(...[...parsed.body.childNodes].map((node) => document.importNode(node, true)));
  }

  // -- progress ----------------------------------------------------------------------------------

  counts() {
    const { store, looks } = this;
    const total = store.total(), ended = store.ended();
    const said = `${ended.toLocaleString("en-US")} of ${counted(total, "task")}`;
    if (this.saidCounts !== said + store.tallyText(looks, store.counts)) {
      this.saidCounts = said + store.tallyText(looks, store.counts);
      this.bar.setAttribute("aria-valuemax", String(total));
      this.bar.setAttribute("aria-valuenow", String(ended));
      this.bar.setAttribute("aria-valuetext", said);
      this.bar.replaceChildren(...["succeeded", "compensated", "skipped", "failed", "upstream_failed", "cancelled", "waiting", "backing_off", "running"].filter((status) => store.counts.get(status)).map((status) => {
        const part = make("span", { title: `${looked(looks, status).word}: ${store.counts.get(status)}` });
        part.style.width = `${(100 * store.counts.get(status)) / total}%`;
        part.style.backgroundColor = looked(looks, status).text;
        return part;
      }));
      this.drawChips();
    }
    if (this.told) this.drawControls();
  }

  drawChips() {
    if (this.rests("chips", () => this.drawChips())) return;
    const { store, looks } = this;
    const shown = ORDER.filter((status) => store.counts.get(status) || this.only.has(status));
    const focused = this.chips.contains(document.activeElement) ? document.activeElement.dataset.status : null;
    this.chips.replaceChildren(...shown.map((status) => {
      const look = looked(looks, status);
      const n = store.counts.get(status) ?? 0;
      const chip = button(`${look.glyph} ${n.toLocaleString("en-US")} ${look.word}`, `Show only what is ${look.word}`, () => { if (!this.only.delete(status)) this.only.add(status); this.filter(); this.drawChips(); },
        { class: "orch-chip", "aria-pressed": String(this.only.has(status)), "data-status": status });
      chip.style.color = look.text;
      chip.style.backgroundColor = look.fill;
      return chip;
    }));
    if (focused) this.chips.querySelector(`[data-status="${focused}"]`)?.focus();
  }

  tick() {
    const { store, told } = this;
    if (told) {
      const end = this.finished ?? (this.live ? store.now() : null);
      const parts = [`${store.ended().toLocaleString("en-US")} of ${counted(store.total(), "task")}`];
      if (end) parts.push(`${human(Math.max(0, end - this.started - (told.idle_s ?? 0)))}${this.live ? " so far" : ""}`);
      const waits = store.counts.get("waiting") ?? 0;
      const works = OPEN_STATES.some((status) => status !== "waiting" && store.counts.get(status));
      const asked = `waiting for ${counted(waits, "answer")}`;
      // When all of the plan has ended, it is undone, or what is for a failure runs: no count tells that.
      const late = this.settling() ? store.rows.findIndex((row, n) => row.derived && store.state[n].status === "running") : -1;
      if (late >= 0) parts.push(`now ${store.rows[late].label}`);
      else if (this.live && !told.paused && told.remaining_s !== null && told.remaining_s !== undefined && (works || !waits)) {
        const left = Math.max(0, told.remaining_s - (store.now() - told.asked));
        if (left >= 0.5) parts.push(`about ${human(left)} to go${told.guessed ? " (guessed from what has run)" : ""}`);
        else if (!told.guessed && !waits) parts.push("nearly done");
      }
      if (this.live && waits) parts.push(asked);
      const words = parts.join(" · ");
      if (this.clock.textContent !== words) this.clock.textContent = words;
    }
    if (this.dueFilter) { this.dueFilter = false; this.wanted_ = undefined; if (this.only.size) this.redraw(); }
    if (this.dueCard && this.chosen !== null) { this.dueCard = false; this.card.show(this.chosen); this.ask({ ask: "card", task: store.rows[this.chosen].id }); }
    if (!store.travel) this[this.current].tick();
  }

  // -- finding -----------------------------------------------------------------------------------

  filter() {
    this.words = this.search.value.trim().toLowerCase();
    this.wanted_ = undefined;
    this.redraw();
  }

  // The rows that are wanted, with what they stand below; null where all are.
  filtered() {
    if (!this.words && !this.only.size) return null;
    if (this.wanted_) return this.wanted_;
    const found = new Set();
    const { store } = this;
    for (let n = 0; n < store.rows.length; n += 1) {
      const row = store.rows[n];
      if (row.id === undefined) continue;
      if (this.only.size && !this.only.has(store.of(n).status)) continue;
      if (this.words && !`${row.label} ${row.id} ${row.story ?? ""} ${row.owner ?? ""} ${store.of(n).reason}`.toLowerCase().includes(this.words)) continue;
      for (let up = n; up !== null && up !== undefined && !found.has(up); up = store.rows[up].parent) found.add(up);
    }
    this.wanted_ = found;
    return found;
  }

  tally(n) {
    if (!this.store.travel) return this.store.tallies.get(n) ?? new Map();
    const counts = new Map();
    const walk = (rows) => { for (const one of rows) { if (!this.store.isStory(one) && !this.store.rows[one].derived) { const { status } = this.store.of(one); counts.set(status, (counts.get(status) ?? 0) + 1); } walk(this.store.children[one]); } };
    walk(this.store.children[n]);
    return counts;
  }

  choose(n, go = false) {
    const before = this.chosen;
    this.chosen = n === before && !go ? n : n;
    for (const one of [before, n]) if (one !== null) { this.todo.refresh(one); this.table.refresh(one); }
    this.card.show(n);
    this.dag.light(n);
    if (this.current === "timeline") this.timeline.draw();
    if (n === null) { if (before !== null) this.panels.get(this.current).querySelector("[tabindex='0']")?.focus(); return; }
    this.ask({ ask: "card", task: this.store.rows[n].id });
    if (go) this.card.el.focus();
  }

  travelled() {
    this.wanted_ = undefined;
    this.root.classList.toggle("orch-travelling", Boolean(this.store.travel));
    this.redraw();
    if (this.chosen !== null) this.card.show(this.chosen);
    if (!this.store.travel) this.counts();
  }

  // -- what the person wants ---------------------------------------------------------------------

  ask(message) {
    if (this.gone) return;
    try {
      this.model.send(message);
    } catch { // its kernel was restarted or shut down
      this.gone = true;
      if (this.told) this.head({ ...this.told, status: "lost", live: false, paused: false, steerable: false, note: "", phases: { ...this.told.phases, EXECUTE: { state: "lost" } } });
      this.complain("The kernel of this room is gone: this is how the run stood then. Run the cell again, or open the run: %orchestrate open");
    }
  }

  wish(verb, n = null, note = "") {
    this.error.hidden = true;
    const task = n === null ? null : this.store.rows[n].id;
    this.ask({ do: verb, task, note });
    this.tell(`${verb}${task ? ` ${task}` : ""}: asked for`);
  }

  // Several clicks in a row add up, though the kernel has told of none of them yet.
  workers(by) {
    this.crewWants = Math.max(1, (this.crewWants ?? this.told.workers) + by);
    clearTimeout(this.crewLater);
    this.crewLater = setTimeout(() => { this.crewWants = undefined; if (this.told) this.drawControls(); }, 3000);
    this.ask({ do: "workers", task: null, note: String(this.crewWants) });
    this.drawControls();
  }

  // A second click within some seconds: nothing is lost by one that was not meant.
  sure(one, question, act) {
    if (one.dataset.sure) { delete one.dataset.sure; one.textContent = one.dataset.words; act(); return; }
    one.dataset.words = one.textContent;
    one.dataset.sure = "1";
    one.textContent = question;
    this.tell(`${question} Press again to confirm.`);
    setTimeout(() => { if (one.dataset.sure) { delete one.dataset.sure; one.textContent = one.dataset.words; } }, 4000);
  }

  // What can be done to a task now: `small` in its row, else in its card.
  verbs(n, small) {
    const { store, told } = this;
    const row = store.rows[n];
    if (store.travel || !told?.steerable || !this.hears || row.id === undefined || this.settling()) return [];
    const { status } = store.of(n);
    const one = (text, verb, title) => button(text, `${title}: ${row.label}`, (event) => { event.stopPropagation(); event.target.disabled = true; this.wish(verb, n, this.noteOf(event.target)); },
      { class: small ? "orch-small" : "orch-button", "aria-label": `${title}: ${row.label}`, "data-name": `${small ? "row" : "card"}-${verb}` });
    const found = [];
    if (status === "waiting" && small) found.push(...(row.todo ? [one("✓ Done", "approve", "Done"), one("✗ Not done", "reject", "Not done")] : [one("✓ Approve", "approve", "Approve"), one("✗ Reject", "reject", "Reject")]));
    if (status === "waiting" && !small) found.push(make("input", { class: "orch-note", type: "text", placeholder: "A note", "aria-label": `A note on ${row.label}`, "data-name": "note" }), ...(row.todo ? [one("✓ Done", "approve", "Done"), one("✗ Not done", "reject", "Not done")] : [one("✓ Approve", "approve", "Approve"), one("✗ Reject", "reject", "Reject")]));
    if (["failed", "cancelled"].includes(status) && !row.noretry) found.push(one("↻ Retry", "retry", "Try anew"));
    if (["failed", "waiting", "pending", "backing_off"].includes(status) && !small && !row.derived) found.push(one("– Skip", "skip", "Skip"));
    if (told.live && ["running", "backing_off", "pending", "ready", "waiting"].includes(status) && !small && !row.derived) found.push(one("⊗ Cancel", "cancel", "Cancel"));
    return found;
  }

  noteOf(target) {
    const holder = target.closest(".orch-want, .orch-card");
    return holder?.querySelector("input.orch-note")?.value ?? "";
  }

  // What people are asked for stands on top, whatever is looked at.
  want(n) {
    const waits = this.store.state[n].status === "waiting" && !this.store.isStory(n);
    if (waits && !this.asks.has(n)) { this.asks.set(n, null); this.staleWants = true; this.tell(`${this.store.rows[n].label} waits for you: ${this.store.state[n].reason}`); }
    else if (!waits && this.asks.delete(n)) this.staleWants = true;
    else if (waits && this.asks.get(n) && this.asks.get(n).dataset.said !== this.store.state[n].reason) { this.asks.set(n, null); this.staleWants = true; }
  }

  drawWants() {
    if (this.rests("wants", () => this.drawWants())) return;
    const can = Boolean(this.told?.steerable && this.hears);
    if (!this.staleWants && this.wantsCan === can) return;
    this.staleWants = false;
    this.wantsCan = can;
    for (const [n, made] of this.asks) {
      if (made && made.dataset.can === String(can)) continue;
      const row = this.store.rows[n];
      const state = this.store.state[n];
      const note = make("input", { class: "orch-note", type: "text", placeholder: "A note, if you like", "aria-label": `A note on ${row.label}` });
      const act = (verb) => (event) => { for (const one of event.target.parentElement.querySelectorAll("button")) one.disabled = true; this.wish(verb, n, note.value); };
      const [yes, no] = row.todo ? ["✓ Done", "✗ Not done"] : ["✓ Approve", "✗ Reject"];
      const buttons = can ? [note, button(yes, `${yes.slice(2)}: ${row.label}`, act("approve"), { class: "orch-button orch-yes", "aria-label": `${yes.slice(2)}: ${row.label}` }), button(no, `${no.slice(2)}: ${row.label}`, act("reject"), { "aria-label": `${no.slice(2)}: ${row.label}` })]
        : [make("code", {}, `orch-nb approve ${this.model.get("run_id")} ${row.id}`)];
      const prompt = state.reason && state.reason !== row.label ? ` ${state.reason}` : "";
      this.asks.set(n, make("div", { class: "orch-want", "data-can": String(can), "data-said": state.reason }, make("span", { class: "orch-prompt" }, make("b", {}, row.todo ? "☐ " : "⏸ ", row.label), prompt), ...buttons));
    }
    const shown = [...this.asks.values()].slice(0, 12);
    const left = this.asks.size - shown.length;
    this.wants.replaceChildren(...shown, ...(left > 0 ? [make("div", { class: "orch-muted" }, `and ${counted(left, "more task waits", "more tasks wait")} for a person`)] : []));
  }

  see(rows) {
    const now = rows.filter((n) => !this.store.isStory(n)).slice(0, 80);
    const key = now.join(",");
    if (key === this.seen) return;
    this.seen = key;
    clearTimeout(this.seeLater);
    this.seeLater = setTimeout(() => this.ask({ ask: "see", rows: now }), 150);
  }

  // For screen readers: each message is a line of its own, so that none takes another's place.
  tell(words) {
    if (this.live_.lastChild?.textContent === words) return;
    this.live_.append(make("div", {}, words));
    while (this.live_.childElementCount > 4) this.live_.firstChild.remove();
  }

  complain(text) {
    this.error.hidden = false;
    this.error.textContent = text;
    this.staleWants = true;
    for (const [n] of this.asks) this.asks.set(n, null);
    this.drawWants();
    this.redraw();
  }

  close() {
    window.removeEventListener("keydown", this.keys, true);
    for (const event of ["pointerup", "pointercancel"]) window.removeEventListener(event, this.release);
    window.removeEventListener("pointermove", this.moved);
    clearTimeout(this.riseLater);
    clearTimeout(this.crewLater);
    clearInterval(this.timer);
    clearTimeout(this.seeLater);
    this.past.stop();
  }
}

function render({ model, el }) {
  const room = new Room(model, el);
  const onMessage = (message, buffers) => {
    if (!message || !message.kind) return;
    const long = message.long ? { [message.long]: JSON.parse(new TextDecoder().decode(buffers[0])) } : {};
    room.take({ ...message, ...long });
  };
  const onLetters = () => room.letters();
  const onHead = () => room.head(model.get("head"));
  model.on("msg:custom", onMessage);
  model.on("change:states", onLetters);
  model.on("change:head", onHead);
  room.timer = setInterval(() => room.tick(), 500);
  return () => {
    room.close();
    model.off("msg:custom", onMessage);
    model.off("change:states", onLetters);
    model.off("change:head", onHead);
  };
}

export default { render };
