// The live view of a run: header, drawing, todo list. Takes deltas, keeps no logic of its own.
// Python's half is widgets.py, which says what the messages are.

function human(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "";
  if (seconds < 0.0005) return "<1 ms";
  if (seconds < 0.0995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

function element(kind, attributes = {}, text = null) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}

function badge(looks, state) {
  const look = looks[state] ?? { glyph: "·", word: state, text: "#424a53", fill: "#eaeef2" };
  const made = element("span", { class: "orch-badge" }, `${look.glyph} ${look.word}`);
  made.style.color = look.text;
  made.style.backgroundColor = look.fill;
  return made;
}

const MOST = 500; // rows at first; the rest on demand

function render({ model, el }) {
  const looks = model.get("looks");
  const rows = model.get("rows");
  const started = model.get("started") * 1000;
  const state = new Map(); // task index -> [status, attempts, started, finished, reason]
  const cells = new Map(); // task index -> the row's elements
  let skew = 0; // the kernel's clock against this page's

  const root = element("div", { class: "orch-room", role: "region", "aria-label": `Run of ${model.get("goal")}` });
  const head = element("div", { class: "orch-head" });
  const counts = element("span", { class: "orch-counts", role: "status", "aria-live": "polite" });
  const clock = element("span", { class: "orch-muted" });
  head.append(counts, clock);
  root.append(head);

  let nodes = new Map();
  if (model.get("svg")) {
    const holder = element("div", { class: "orch-dag", role: "img", "aria-label": "Task graph, live; the list below says the same" });
    const parsed = new DOMParser().parseFromString(model.get("svg"), "image/svg+xml");
    const drawing = document.importNode(parsed.documentElement, true);
    holder.append(drawing);
    root.append(holder);
    for (const row of rows) {
      if (row.task === undefined) continue;
      const node = drawing.getElementById
        ? drawing.getElementById(row.node)
        : drawing.querySelector(`#${CSS.escape(row.node)}`);
      if (node) {
        const words = node.querySelector("text");
        nodes.set(row.task, { node, words, label: words ? words.textContent.replace(/^\S+ /, "") : row.label });
      }
    }
  }

  const table = element("table", { class: "orch-todo" });
  const caption = element("caption", {}, "Todo");
  const top = element("tr");
  for (const name of ["task", "status", "attempts", "time", ""]) top.append(element("th", { scope: "col" }, name));
  const body = element("tbody");
  const thead = element("thead");
  thead.append(top);
  table.append(caption, thead, body);
  root.append(table);

  function add(row) {
    const line = element("tr");
    const name = element("td", { class: "orch-name" }, row.label);
    name.style.paddingLeft = `${row.depth * 18}px`;
    line.append(name);
    if (row.task === undefined) {
      name.classList.add("orch-story");
      name.colSpan = 5;
    } else {
      const parts = { status: element("td"), attempts: element("td", { class: "orch-number" }), time: element("td", { class: "orch-number" }), reason: element("td", { class: "orch-muted orch-reason" }) };
      parts.status.append(badge(looks, "pending"));
      line.append(parts.status, parts.attempts, parts.time, parts.reason);
      cells.set(row.task, parts);
      if (state.has(row.task)) show(row.task);
    }
    body.append(line);
  }
  rows.slice(0, MOST).forEach(add);
  if (rows.length > MOST) {
    const more = element("button", { class: "orch-more", type: "button" }, `Show ${rows.length - MOST} more`);
    more.addEventListener("click", () => { more.remove(); rows.slice(MOST).forEach(add); });
    root.append(more);
  }

  function time(task) {
    const [status, , begin, end] = state.get(task);
    if (!begin || status === "pending") return "";
    if (end) return human(end - begin);
    return status === "running" || status === "waiting" || status === "backing_off"
      ? human((Date.now() + skew) / 1000 - begin) : "";
  }

  function show(task) {
    const parts = cells.get(task);
    const [status, attempts, , , reason] = state.get(task);
    if (parts) {
      parts.status.replaceChildren(badge(looks, status));
      parts.attempts.textContent = attempts || "";
      parts.time.textContent = time(task);
      parts.reason.textContent = reason || "";
    }
    const drawn = nodes.get(task);
    const look = looks[status];
    if (drawn && look) {
      const shape = drawn.node.querySelector("rect,polygon,ellipse,path");
      if (shape) { shape.setAttribute("fill", look.fill); shape.setAttribute("stroke", look.text); }
      for (const words of drawn.node.querySelectorAll("text")) words.setAttribute("fill", look.text);
      if (drawn.words) drawn.words.textContent = `${look.glyph} ${drawn.label}${attempts > 1 ? ` ×${attempts}` : ""}`;
    }
  }

  function tick() {
    for (const [task, [status]] of state) {
      if (status === "running" || status === "waiting" || status === "backing_off") {
        const parts = cells.get(task);
        if (parts) parts.time.textContent = time(task);
      }
    }
    clock.textContent = human((Date.now() + skew - started) / 1000);
  }

  function onMessage(message) {
    if (!message || !message.tasks) return;
    skew = message.now * 1000 - Date.now();
    for (const [task, ...rest] of message.tasks) { state.set(task, rest); show(task); }
    const order = ["failed", "waiting", "running", "backing_off", "succeeded", "pending", "ready", "skipped", "upstream_failed", "cancelled"];
    const said = order.filter((name) => message.counts[name]).map((name) => `${looks[name].glyph} ${message.counts[name]} ${looks[name].word}`).join(" · ");
    if (counts.textContent !== said) counts.textContent = said;
    tick();
  }

  model.on("msg:custom", onMessage);
  model.send({ hello: true });
  const timer = setInterval(tick, 500);
  el.append(root);
  return () => { clearInterval(timer); model.off("msg:custom", onMessage); };
}

export default { render };
