// Time travel: the run as it stood at any of its events.

class Past {
  constructor(room) {
    this.room = room;
    this.moments = null;
    this.range = make("input", { type: "range", min: "0", max: "0", value: "0", "aria-label": "A moment of the run", on: { input: () => this.go(Number(this.range.value)) } });
    this.say = make("span", { class: "orch-moment" });
    this.play = button("▶", "Play the run", () => this.toggle(), { "aria-label": "Play the run" });
    this.el = make("div", { class: "orch-past", hidden: "", role: "group", "aria-label": "Time travel" },
      button("|◀", "To the beginning", () => this.go(0), { "aria-label": "To the beginning" }),
      button("◀", "One event back", () => this.go(this.at - 1), { "aria-label": "One event back" }),
      this.play, button("▶|", "One event on", () => this.go(this.at + 1), { "aria-label": "One event on" }),
      this.range, this.say, button("Back to now", "Show the run as it stands", () => this.leave()));
  }

  enter() {
    this.el.hidden = false;
    this.say.textContent = "fetching the run's history …";
    this.room.ask({ ask: "history" });
  }

  leave() {
    this.stop();
    this.el.hidden = true;
    this.moments = null;
    this.room.store.travel = null;
    this.room.travelled();
  }

  // {moments: [[at, row, status, attempts, words], ...]} in the order in which they happened
  take({ moments }) {
    if (this.el.hidden) return;
    this.moments = moments;
    this.range.max = String(moments.length);
    this.at = -1;
    this.states = null;
    this.go(moments.length);
  }

  go(at) {
    if (!this.moments) return;
    const to = Math.max(0, Math.min(this.moments.length, at));
    const forward = this.states && to >= this.at;
    const states = forward ? this.states : new Map();
    for (let n = forward ? this.at : 0; n < to; n += 1) {
      const [when, row, status, tries] = this.moments[n];
      if (row === null) continue;
      const before = states.get(row) ?? NOTHING;
      const ended = ENDED.has(status);
      const since = status !== "running" ? null : before.status === "running" && before.tries === tries ? before.since : when;
      const ran = (before.ran ?? 0) + (before.since && since !== before.since ? when - before.since : 0);
      states.set(row, { since, ran, status, tries, begun: status === "pending" ? null : before.begun ?? (status === "ready" ? null : when), finished: ended ? when : null, reason: "", bars: null });
    }
    this.at = to;
    this.states = states;
    const last = this.moments[to - 1];
    const when = last ? last[0] : this.room.started;
    this.room.store.travel = { states, at: when };
    this.range.value = String(to);
    const words = `event ${to.toLocaleString("en-US")} of ${this.moments.length.toLocaleString("en-US")}, ${human(when - this.room.started)} after the start${last ? `: ${last[4]}` : ""}`;
    this.say.textContent = words;
    this.range.setAttribute("aria-valuetext", words);
    this.room.travelled();
  }

  toggle() {
    if (this.timer) { this.stop(); return; }
    if (this.at >= (this.moments?.length ?? 0)) this.go(0);
    const step = Math.max(1, Math.ceil((this.moments?.length ?? 1) / 120));
    this.play.textContent = "❚❚";
    this.timer = setInterval(() => {
      this.go(this.at + step);
      if (this.at >= this.moments.length) this.stop();
    }, 120);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "▶";
  }
}
