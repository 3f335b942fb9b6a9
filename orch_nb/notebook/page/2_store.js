// What the page knows of the run: rows that do not change, and the state of each.
//
//   rows    {label, depth, parent, id?, node?, needs?, ...}; a story has no `id`
//   state   by row: {status, tries, begun, finished, reason, bars}
//   travel  null, or the states as they stood at a moment of the past

const OPEN_STATES = ["running", "waiting", "backing_off"];
const ENDED = new Set(["succeeded", "failed", "skipped", "upstream_failed", "cancelled", "compensated"]);
const ORDER = ["failed", "waiting", "running", "backing_off", "ready", "pending", "upstream_failed", "cancelled", "compensated", "skipped", "succeeded"];
const NOTHING = Object.freeze({ status: "pending", tries: 0, begun: null, finished: null, reason: "", bars: null });

class Store {
  constructor(rows) {
    this.rows = [];
    this.state = [];
    this.children = [];
    this.roots = [];
    this.byId = new Map();
    this.below = new Map(); // id -> rows that need it
    this.counts = new Map(); // of the plan's tasks, by status
    this.tallies = new Map(); // of a story's tasks, by status
    this.travel = null;
    this.skew = 0;
    this.add(rows);
  }

  add(rows) {
    for (const row of rows) {
      const n = this.rows.length;
      this.rows.push(row);
      this.state.push(NOTHING);
      this.children.push([]);
      if (row.parent === null || row.parent === undefined) this.roots.push(n);
      else this.children[row.parent].push(n);
      if (row.id === undefined) continue;
      this.byId.set(row.id, n);
      for (const need of row.needs ?? []) {
        if (!this.below.has(need)) this.below.set(need, []);
        this.below.get(need).push(n);
      }
      if (!row.derived) this.counts.set("pending", (this.counts.get("pending") ?? 0) + 1);
      if (!row.derived) this._tally(n, null, "pending");
    }
  }

  _tally(n, before, after) {
    for (let up = this.rows[n].parent; up !== null && up !== undefined; up = this.rows[up].parent) {
      if (!this.tallies.has(up)) this.tallies.set(up, new Map());
      const tally = this.tallies.get(up);
      if (before) tally.set(before, (tally.get(before) ?? 1) - 1);
      tally.set(after, (tally.get(after) ?? 0) + 1);
    }
  }

  set(n, state) {
    const before = this.state[n].status;
    this.state[n] = state;
    if (before === state.status) return;
    if (this.rows[n].derived) return;
    this._tally(n, before, state.status);
    this.counts.set(before, (this.counts.get(before) ?? 1) - 1);
    this.counts.set(state.status, (this.counts.get(state.status) ?? 0) + 1);
  }

  // The state to show: of now, or of the moment that was travelled to.
  of(n) {
    return this.travel ? this.travel.states.get(n) ?? NOTHING : this.state[n];
  }

  // Whether a row is there yet at the moment that is shown: instances come when their task begins,
  // compensations and `on_failure` when they do.
  there(n) {
    const row = this.rows[n];
    if (!this.travel || !row.derived || this.travel.states.has(n)) return true;
    const above = row.parent === null ? undefined : this.rows[row.parent];
    return above?.id !== undefined && row.id.startsWith(`${above.id}[`) && !["pending", "ready"].includes(this.of(row.parent).status);
  }

  isStory(n) { return this.rows[n].id === undefined; }

  now() { return (Date.now() + this.skew) / 1000; }

  seconds(n) {
    const state = this.of(n);
    if (!state.begun || state.status === "pending") return null;
    // Of several attempts what they ran, without the waits between them.
    if (state.bars && !this.travel) return state.bars.reduce((sum, [begun, finished]) => sum + Math.max(0, (finished ?? this.now()) - begun), 0);
    if (this.travel && state.tries) return state.ran + (state.since === null ? 0 : this.travel.at - state.since);
    if (state.finished) return state.finished - state.begun;
    if (!OPEN_STATES.includes(state.status)) return null;
    return (this.travel ? this.travel.at : this.now()) - state.begun;
  }

  total() { return [...this.counts.values()].reduce((sum, n) => sum + n, 0); }

  ended() { return [...ENDED].reduce((sum, status) => sum + (this.counts.get(status) ?? 0), 0); }

  // What a story or a group stands at: of its rows' states the one that needs attention first.
  worst(counts) {
    if ((counts.get("running") ?? 0) && !(counts.get("failed") ?? 0) && !(counts.get("waiting") ?? 0)) return "running";
    const open = ["failed", "waiting", "backing_off", "ready"].find((status) => counts.get(status));
    if (open && open !== "ready") return open;
    const pending = (counts.get("pending") ?? 0) + (counts.get("ready") ?? 0);
    if (pending) return (counts.get("succeeded") ?? 0) ? "running" : "pending";
    return ORDER.find((status) => counts.get(status)) ?? "pending";
  }

  tallyText(looks, counts) {
    return ORDER.filter((status) => counts.get(status)).map((status) => `${looked(looks, status).glyph} ${counts.get(status).toLocaleString("en-US")}`).join("  ");
  }

  ids(names) { return names.map((name) => this.byId.get(name)).filter((n) => n !== undefined); }

  // Everything above (`up`) or below a row.
  reach(n, up) {
    const found = new Set();
    const next = [n];
    while (next.length) {
      const row = this.rows[next.pop()];
      const more = up ? this.ids(row.needs ?? []) : this.below.get(row.id) ?? [];
      for (const one of more) if (!found.has(one)) { found.add(one); next.push(one); }
    }
    found.delete(n);
    return found;
  }
}
