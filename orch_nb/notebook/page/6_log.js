// What tasks print: merged, or of one task; bounded; it follows the newest unless the person reads.

const MOST_LINES = 5000;

class Log {
  constructor(room) {
    this.room = room;
    this.task = "";
    this.lines = [];
    this.last = 0;
    this.follow = true;
    this.list = new LongList(room, 18, (at) => this.draw(at), { role: "log", "aria-label": "What tasks printed", "aria-live": "off" });
    this.list.el.classList.add("orch-log");
    this.pick = make("select", { "aria-label": "Whose output", on: { change: () => this.choose(this.pick.value) } });
    const follow = make("input", { type: "checkbox", checked: "", on: { change: () => { this.follow = follow.checked; this.end(); } } });
    this.box = follow;
    this.note = make("span", { class: "orch-muted" }, "Nothing has been printed yet.");
    this.list.el.addEventListener("scroll", () => {
      const el = this.list.el;
      this.follow = follow.checked = el.scrollTop + el.clientHeight >= el.scrollHeight - 24;
    });
    this.el = make("div", { class: "orch-pane" }, make("div", { class: "orch-tools" }, this.pick, make("label", {}, follow, " follow"), this.note), this.list.el);
    this.known = new Set();
    this.options();
  }

  options() {
    const names = [...this.known].sort();
    this.pick.replaceChildren(make("option", { value: "" }, "every task"), ...names.slice(0, 2000).map((name) => make("option", { value: name }, name)));
    this.pick.value = this.task;
  }

  choose(task) {
    this.task = task;
    if (task && !this.known.has(task)) { this.known.add(task); this.options(); }
    this.pick.value = task;
    this.lines = [];
    this.last = 0;
    this.list.resize(0);
    this.room.ask({ ask: "log", task, after: 0 });
  }

  // [seq, task, attempt, stream, text, at]
  take({ task, lines, begun, more }) {
    if (task !== this.task) return;
    if (begun) { this.lines = []; this.last = 0; }
    for (const line of lines) {
      if (line[0] <= this.last) continue;
      this.last = line[0];
      if (!this.known.has(line[1])) { this.known.add(line[1]); this.fresh = true; }
      for (const text of String(line[4]).replace(/\n$/, "").split("\n")) this.lines.push([line[1], line[2], line[3], text.includes("\r") ? text.slice(text.lastIndexOf("\r", text.length - 2) + 1) : text]);
    }
    if (this.fresh) { this.fresh = false; this.options(); }
    if (this.lines.length > MOST_LINES) { this.lines = this.lines.slice(-MOST_LINES); this.cut = true; }
    const cut = this.cut || more ? ` (the newest; all of them: %orchestrate log${this.task ? ` ${this.task}` : ""})` : "";
    this.note.textContent = this.lines.length ? `${counted(this.lines.length, "line")}${cut}` : "Nothing has been printed yet.";
    this.list.resize(this.lines.length);
    this.end();
  }

  end() {
    if (this.follow) { this.list.el.scrollTop = this.list.el.scrollHeight; this.list.fill(); }
  }

  draw(index) {
    const [task, attempt, stream, text] = this.lines[index];
    const line = make("div", { class: `orch-line${stream === "stderr" ? " orch-stderr" : ""}` });
    if (!this.task) line.append(make("span", { class: "orch-from", title: `${task}, attempt ${attempt}` }, task));
    line.append(make("span", { class: "orch-said" }, ansi(text.length > 4000 ? `${text.slice(0, 4000)} …` : text)));
    return line;
  }

  refresh() {}

  tick() {}

  build() { this.list.fill(); }
}
