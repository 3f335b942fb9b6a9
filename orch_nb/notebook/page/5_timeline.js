// The timeline: a lane a worker, growing as the run goes on. Bars share the colours of the states;
// the todo list says the same in words.

class Timeline {
  constructor(room) {
    this.room = room;
    this.lanes = []; // when each lane is free again
    this.bars = new Map(); // row -> [{lane, begun, finished, status}]
    this.canvas = make("canvas", { class: "orch-timeline", role: "img", tabindex: "0" });
    this.tip = make("div", { class: "orch-muted", "aria-live": "off" }, "Point at a bar to see what it is; click it for the task's card.");
    this.el = make("div", { class: "orch-pane" }, this.canvas, this.tip);
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("click", (event) => { const hit = this.hit(event); if (hit) this.room.choose(hit.n); });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  // Attempts of rows. Lanes are given when it is drawn, since only an attempt's end tells when its
  // body began.
  refreshAll(rows) {
    const { store } = this.room;
    for (const n of rows) {
      const state = store.state[n];
      if (!state.tries) { this.bars.delete(n); continue; }
      const told = state.bars ?? (state.begun ? [[state.begun, state.finished, state.status]] : []);
      this.bars.set(n, told.map(([begun, finished, status]) => ({ lane: 0, begun, finished, status })));
    }
    this.stale = true;
  }

  // In the order in which they began, each in the first lane that is free: as many lanes as there
  // were attempts at once, so never more than workers.
  lay() {
    this.stale = false;
    this.lanes = [];
    const every = [...this.bars.values()].flat().sort((a, b) => a.begun - b.begun || (a.finished ?? Infinity) - (b.finished ?? Infinity));
    for (const bar of every) {
      const free = this.lanes.findIndex((until) => until <= bar.begun + 0.002);
      bar.lane = free < 0 ? this.lanes.length : free;
      this.lanes[bar.lane] = bar.finished ?? Infinity;
    }
  }

  scale() {
    const { store, started } = this.room;
    const end = this.room.finished ?? (this.room.live ? store.now() : Math.max(started, ...[...this.bars.values()].flat().map((bar) => bar.finished ?? bar.begun)));
    const span = Math.max(0.05, end - started);
    const width = this.canvas.clientWidth - 56;
    return { end, span, x: (at) => 48 + ((at - started) / span) * width, width };
  }

  draw() {
    if (!this.canvas.clientWidth) return;
    if (this.stale) this.lay();
    const { looks, store, started } = this.room;
    const lanes = Math.max(1, this.lanes.length);
    const high = lanes > 40 ? 5 : lanes > 16 ? 11 : 20;
    const height = 26 + lanes * high + 6;
    this.canvas.style.height = `${height}px`;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = this.canvas.clientWidth * ratio;
    this.canvas.height = height * ratio;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const ink = getComputedStyle(this.canvas).color;
    pen.font = "11px system-ui, sans-serif";
    const { end, span, x } = this.scale();
    this.high = high;
    pen.fillStyle = pen.strokeStyle = "#797979";
    const step = niceStep(span);
    for (let at = 0; at <= span; at += step) {
      const place = Math.round(x(started + at)) + 0.5;
      pen.lineWidth = 0.5;
      pen.beginPath(); pen.moveTo(place, 18); pen.lineTo(place, height); pen.stroke();
      pen.textAlign = "center";
      if (place < this.canvas.clientWidth - 20) pen.fillText(at === 0 ? "0" : human(at), place, 12);
    }
    pen.textAlign = "left";
    if (high >= 11) for (let lane = 0; lane < lanes; lane += 1) pen.fillText(`#${lane + 1}`, 2, 26 + lane * high + high * 0.6);
    for (const [n, bars] of this.bars) {
      for (const bar of bars) {
        const look = looked(looks, bar.status ?? "running");
        const left = x(bar.begun), right = Math.max(left + 3, x(bar.finished ?? end));
        const top = 22 + bar.lane * high;
        pen.fillStyle = look.fill;
        pen.strokeStyle = look.text;
        pen.lineWidth = n === this.room.chosen ? 2.5 : 1;
        pen.fillRect(left, top, right - left, high - 3);
        if (high > 5 || n === this.room.chosen) pen.strokeRect(left, top, right - left, high - 3);
        const label = `${look.glyph} ${store.rows[n].label}`;
        if (high >= 20 && right - left > 30) {
          pen.save();
          pen.beginPath(); pen.rect(left, top, right - left - 2, high); pen.clip();
          pen.fillStyle = look.text;
          pen.fillText(label, left + 4, top + 12.5);
          pen.restore();
        }
      }
    }
    pen.strokeStyle = ink;
    if (store.travel) pen.strokeStyle = "#8250df";
    if (store.travel || this.room.live) { const here = x(store.travel?.at ?? store.now()); pen.beginPath(); pen.moveTo(here, 18); pen.lineTo(here, height); pen.stroke(); }
    this.canvas.setAttribute("aria-label", `Timeline: ${counted(this.bars.size, "task")} in ${counted(this.lanes.length, "lane")}, ${human(span)}`);
  }

  hit(event) {
    const bounds = this.canvas.getBoundingClientRect();
    const lane = Math.floor((event.clientY - bounds.top - 22) / (this.high || 20));
    const { x, end } = this.scale();
    const at = event.clientX - bounds.left;
    for (const [n, bars] of this.bars) {
      for (const [number, bar] of bars.entries()) {
        const left = x(bar.begun);
        if (bar.lane === lane && at >= left - 2 && at <= Math.max(left + 3, x(bar.finished ?? end))) return { n, bar, number: number + 1 };
      }
    }
    return null;
  }

  hover(event) {
    const hit = this.hit(event);
    this.canvas.style.cursor = hit ? "pointer" : "default";
    if (!hit) return;
    const { looks, store } = this.room;
    const took = human((hit.bar.finished ?? store.now()) - hit.bar.begun);
    this.tip.textContent = `${store.rows[hit.n].label}: attempt ${hit.number}, ${looked(looks, hit.bar.status ?? "running").word}, ${took}`;
  }

  tick() { if (this.room.live) this.draw(); }
}

function niceStep(span) {
  const rough = span / 6;
  for (const step of [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400]) if (step >= rough) return step;
  return Math.ceil(rough / 86400) * 86400;
}
