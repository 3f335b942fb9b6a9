// The drawing: painted by state, moved and scaled by the person. Nothing is laid out here: the
// kernel sends a picture, and which element is which task or group of tasks.

class Dag {
  constructor(room) {
    this.room = room;
    this.nodes = new Map(); // element id -> {el, rows, label}
    this.ofRow = new Map(); // row -> element id
    this.open = null; // groups that are shown task by task; null: as the kernel chose
    this.box = null;
    this.whole = null;
    this.holder = make("div", { class: "orch-dag", tabindex: "0", role: "application", "aria-roledescription": "task graph",
      "aria-label": "Task graph. Arrows move it, plus and minus scale it, 0 shows all of it, N and P go to the next and the previous task, Enter opens its card. The todo list says the same." });
    this.say = make("span", { class: "orch-muted" });
    this.tools = make("div", { class: "orch-tools" },
      button("+", "Closer (+)", () => this.zoom(0.8), { "aria-label": "Closer" }), button("−", "Farther (−)", () => this.zoom(1.25), { "aria-label": "Farther" }),
      button("All", "Show all of it (0)", () => this.fit(), { "aria-label": "All of it" }),
      this.more = button("Open every story", "Draw every task", () => this.ask("all")),
      this.less = button("Close stories", "Draw stories as one box each", () => this.ask("none")), this.say);
    this.el = make("div", { class: "orch-pane" }, this.tools, this.holder);
    this.holder.addEventListener("keydown", (event) => this.key(event));
    this.holder.addEventListener("pointerdown", (event) => this.drag(event));
    this.holder.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.show(room.model.get("drawing"));
  }

  ask(open) {
    this.say.textContent = "drawing …";
    this.room.ask({ ask: "drawing", open });
  }

  show(drawing) {
    this.nodes.clear();
    this.ofRow.clear();
    this.say.textContent = drawing?.note ?? "";
    if (!drawing?.svg) {
      this.holder.replaceChildren(make("p", { class: "orch-muted" }, drawing?.note || "This plan has no tasks to draw."));
      this.more.hidden = this.less.hidden = true;
      return;
    }
    this.more.hidden = !drawing.closed;
    this.less.hidden = !drawing.opened;
    const parsed = new DOMParser().parseFromString(drawing.svg, "image/svg+xml");
    const svg = document.importNode(parsed.documentElement, true);
    svg.setAttribute("role", "presentation");
    const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
    this.whole = { x: 0, y: 0, width, height };
    const same = this.svg && this.size === `${width} ${height}`;
    if (!same || !this.box) this.box = this.readable(width, height);
    this.size = `${width} ${height}`;
    this.svg = svg;
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    this.holder.replaceChildren(svg);
    this.holder.style.height = `${Math.max(120, Math.min(520, height + 16))}px`;
    const byId = new Map([...svg.querySelectorAll("g[id]")].map((one) => [one.id, one]));
    for (const [id, names] of Object.entries(drawing.nodes)) {
      const el = byId.get(id);
      if (!el) continue;
      const single = typeof names === "string";
      const rows = single ? this.room.store.ids([names]) : this.rowsOf(names);
      const texts = [...el.querySelectorAll("text")];
      const label = (texts[0]?.textContent ?? "").replace(/^[^\p{L}\p{N}_\s]+ /u, "").replace(/ ×\d+$/, "");
      const node = { el, rows, label, single, texts, key: single ? rows[0] : names.key };
      this.nodes.set(id, node);
      for (const row of rows) this.ofRow.set(row, id);
      el.style.cursor = "pointer";
      el.addEventListener("click", () => {
        if (this.moved) return;
        if (single) this.room.choose(rows[0]);
        else this.ask(["open", names.key]);
      });
      this.paint(id);
    }
    const paths = [...svg.children].filter((one) => one.tagName === "path");
    this.edges = (drawing.edges ?? []).map(([tail, head], at) => ({ tail, head, parts: [paths[2 * at], paths[2 * at + 1]] }));
    this.view();
    this.light(this.room.chosen);
  }

  // As much of it as can be read: of a wide drawing its beginning.
  readable(width, height) {
    const wide = (this.holder.clientWidth || 900) * 1.7;
    if (width <= wide) return { ...this.whole };
    this.say.textContent ||= "drag or use the arrows to move on; All shows all of it";
    return { x: 0, y: 0, width: wide, height };
  }

  rowsOf(group) {
    const { store } = this.room;
    return group.tasks ? store.ids(group.tasks) : [];
  }

  paint(id) {
    const { store, looks } = this.room;
    const node = this.nodes.get(id);
    let status, suffix, detail;
    if (node.single) {
      const state = store.of(node.rows[0]);
      status = state.status;
      suffix = state.tries > 1 ? ` ×${state.tries}` : "";
      const seconds = store.seconds(node.rows[0]);
      detail = seconds === null || ["pending", "ready"].includes(status) ? null : human(seconds);
    } else {
      const counts = new Map();
      for (const row of node.rows) counts.set(store.of(row).status, (counts.get(store.of(row).status) ?? 0) + 1);
      status = store.worst(counts);
      suffix = "";
      detail = store.tallyText(looks, counts);
    }
    const look = looked(looks, status);
    const shape = node.el.querySelector("rect,polygon,ellipse,path");
    if (shape) { shape.setAttribute("fill", look.fill); shape.setAttribute("stroke", look.text); }
    for (const words of node.texts) words.setAttribute("fill", look.text);
    if (node.texts[0]) node.texts[0].textContent = `${look.glyph} ${node.label}${suffix}`;
    if (detail && node.texts.length === 1) this.second(node);
    if (detail !== null && node.texts.length > 1) node.texts[node.texts.length - 1].textContent = detail;
  }

  // The line for how it went, where the plan had nothing to say there.
  second(node) {
    const [first] = node.texts;
    const line = first.cloneNode(true);
    const y = Number(first.getAttribute("y"));
    first.setAttribute("y", y - 6);
    line.setAttribute("y", y + 7);
    line.setAttribute("font-size", "10");
    first.after(line);
    node.texts.push(line);
  }

  refresh(n) {
    const id = this.ofRow.get(n);
    if (id !== undefined) this.stale = (this.stale ?? new Set()).add(id);
  }

  // After a batch of changes: each node once, however many of its tasks have changed.
  settle() {
    for (const id of this.stale ?? []) this.paint(id);
    this.stale = null;
  }

  repaint() { for (const id of this.nodes.keys()) this.paint(id); }

  tick() {
    for (const [id, node] of this.nodes) {
      if (node.single && this.room.store.of(node.rows[0]).status === "running") this.paint(id);
    }
  }

  // The chosen task, and all that leads to it and comes of it; the rest steps back.
  light(n) {
    if (!this.svg) return;
    const id = n === null ? undefined : this.ofRow.get(n);
    const { store } = this.room;
    const wanted = this.room.filtered();
    const near = id === undefined ? null : new Set([n, ...store.reach(n, true), ...store.reach(n, false)]);
    for (const [one, node] of this.nodes) {
      const lit = (!near || node.rows.some((row) => near.has(row))) && (!wanted || node.rows.some((row) => wanted.has(row)));
      node.el.style.opacity = lit ? "" : "0.28";
      const shape = node.el.querySelector("rect,polygon,ellipse,path");
      if (shape) shape.setAttribute("stroke-width", one === id ? "3" : "1.2");
    }
    for (const { tail, head, parts } of this.edges ?? []) {
      const ends = [tail, head].map((key) => this.nodes.get(key)?.rows ?? []);
      const lit = !near || ends.every((rows) => rows.some((row) => near.has(row)));
      for (const part of parts) if (part) part.style.opacity = lit ? "" : "0.2";
    }
  }

  view() {
    const { x, y, width, height } = this.box;
    this.svg?.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
    this.svg?.setAttribute("preserveAspectRatio", "xMidYMid meet");
    // A small plan is shown in its own size, not blown up to the page's.
    const full = width >= this.whole.width - 1;
    this.svg.style.maxWidth = full ? `${this.whole.width}px` : "none";
    this.svg.style.maxHeight = full ? `${this.whole.height}px` : "none";
  }

  zoom(by, at = null) {
    const { x, y, width, height } = this.box;
    const px = at ? at.x : x + width / 2, py = at ? at.y : y + height / 2;
    const least = 60, most = this.whole.width * 1.5;
    const wide = Math.max(least, Math.min(most, width * by));
    const scale = wide / width;
    this.box = { x: px - (px - x) * scale, y: py - (py - y) * scale, width: wide, height: height * scale };
    this.view();
  }

  fit() { this.box = { ...this.whole }; this.view(); }

  move(dx, dy) {
    this.box.x += dx * this.box.width;
    this.box.y += dy * this.box.height;
    this.view();
  }

  point(event) {
    const place = this.svg.createSVGPoint();
    place.x = event.clientX;
    place.y = event.clientY;
    return place.matrixTransform(this.svg.getScreenCTM().inverse());
  }

  wheel(event) {
    if (!(event.ctrlKey || event.metaKey) || !this.svg) return; // the page scrolls as ever
    event.preventDefault();
    this.zoom(event.deltaY > 0 ? 1.12 : 0.89, this.point(event));
  }

  drag(event) {
    if (!this.svg || event.button !== 0) return;
    this.moved = false;
    const start = this.point(event);
    const move = (next) => {
      const here = this.point(next);
      if (Math.abs(next.clientX - event.clientX) + Math.abs(next.clientY - event.clientY) > 4) this.moved = true;
      if (!this.moved) return;
      this.box.x -= here.x - start.x;
      this.box.y -= here.y - start.y;
      this.view();
    };
    const end = () => {
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", end);
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", end);
  }

  center(n) {
    const id = this.ofRow.get(n);
    if (id === undefined || this.box.width >= this.whole.width - 1) return;
    const bounds = this.nodes.get(id).el.getBBox();
    this.box.x = bounds.x + bounds.width / 2 - this.box.width / 2;
    this.box.y = bounds.y + bounds.height / 2 - this.box.height / 2;
    this.view();
  }

  key(event) {
    const acts = {
      ArrowLeft: () => this.move(-0.1, 0), ArrowRight: () => this.move(0.1, 0), ArrowUp: () => this.move(0, -0.1), ArrowDown: () => this.move(0, 0.1),
      "+": () => this.zoom(0.8), "=": () => this.zoom(0.8), "-": () => this.zoom(1.25), 0: () => this.fit(),
      n: () => this.step(1), p: () => this.step(-1), Enter: () => this.enter(),
    };
    const act = acts[event.key];
    if (!act || !this.svg || event.ctrlKey || event.metaKey) return;
    act();
    event.preventDefault();
    event.stopPropagation();
  }

  step(by) {
    const ids = [...this.nodes.keys()];
    if (!ids.length) return;
    const at = this.pointed === undefined ? (by > 0 ? -1 : 0) : ids.indexOf(this.pointed);
    this.pointed = ids[(at + by + ids.length) % ids.length];
    const node = this.nodes.get(this.pointed);
    if (node.single) { this.room.choose(node.rows[0]); this.center(node.rows[0]); }
    this.room.tell(node.texts.map((words) => words.textContent).join(", "));
  }

  enter() {
    const node = this.nodes.get(this.pointed);
    if (node && !node.single) this.ask(["open", node.key]);
    else if (this.room.chosen !== null) this.room.choose(this.room.chosen, true);
  }
}
