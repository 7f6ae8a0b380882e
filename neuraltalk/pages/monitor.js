// The monitor page: which runs are shown, the table that is their legend, and newer data from the server that made the page.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const PERIOD = 3000; // milliseconds between two looks at the server
  const STATES = { training: "in training", finished: "finished", pruned: "ended early", interrupted: "interrupted", stopped: "stopped", silent: "silent", ended: "ended" };
  const NAMES_OF_FILES = new Set(["fappend", "checkpoint_output_directory", "worker_status_output_directory"]); // options that change nothing
  const NAMES = { val: "validation", train: "training" };
  const MOST_ROWS = 2000; // of the table of all points
  const carrier = $("data"), slots = new Map(), off = new Set(), rows = new Map();
  let data = JSON.parse(carrier.textContent), order = { by: "began", down: false }, columns = null;

  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text !== undefined && text !== null) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const percent = (number) => `${(100 * number).toFixed(1)} %`;
  const figure = (run, value) => (value === null || value === undefined ? "" : run.kind === "alignment" ? percent(value) : value.toFixed(2));
  const last = (curve) => curve[1][curve[1].length - 1];
  const points = (curve, factor = 1) => curve[0].map((epoch, k) => [epoch, factor * curve[1][k]]);
  const two = (number) => String(number).padStart(2, "0");
  const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;

  function duration(seconds) {
    const s = Math.round(seconds);
    if (s < 60) return `${s}s`;
    if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
    return s < 172800 ? `${Math.floor(s / 3600)}h${two(Math.floor(s / 60) % 60)}m` : `${Math.round(s / 86400)} days`;
  }

  function moment(seconds) {
    const date = new Date(1000 * seconds);
    return day(date) === day(new Date()) ? clock(date) : `${day(date)} ${clock(date).slice(0, 5)}`;
  }

  // ---- which runs

  const matches = (run) => {
    const dataset = $("dataset").value, sweep = $("sweep").value;
    if (dataset && run.params.dataset !== dataset) return false;
    if (sweep && sweepOf(run) !== sweep) return false;
    if (run.state === "pruned" && !$("pruned").checked) return false;
    const text = `${run.name} ${STATES[run.state]} ${Object.values(run.params).join(" ")}`.toLowerCase();
    return $("find").value.toLowerCase().split(/\s+/).filter(Boolean).every((word) => text.includes(word));
  };
  const sweepOf = (run) => (run.sweep === null ? "none" : `=${run.sweep}`); // as the list of sweeps has it
  const listed = () => data.runs.filter(matches);
  const shown = () => listed().filter((run) => !off.has(run.name));

  // Options that two runs of the same kind have different values of. A run that lacks an option (an older one) says nothing.
  function differing(runs) {
    const values = new Map();
    for (const run of runs)
      for (const [name, value] of Object.entries(run.params)) {
        const key = `${run.kind} ${name}`;
        if (!values.has(key)) values.set(key, [name, new Set()]);
        values.get(key)[1].add(value);
      }
    return [...new Set([...values.values()].filter(([name, set]) => set.size > 1 && !NAMES_OF_FILES.has(name)).map(([name]) => name))];
  }

  // ---- charts

  const best = (curves, better) => {
    const all = curves.flatMap((curve) => curve.points.map(([epoch, value]) => ({ epoch, value, run: curve.run })));
    return all.reduce((a, b) => (!a || better(b.value, a.value) ? b : a), null);
  };
  const summary = (what, format, better) => (curves) => {
    const solid = curves.filter((curve) => curve.solid), found = best(solid.length ? solid : curves, better);
    const runs = new Set(curves.map((curve) => curve.run)).size;
    return found ? `${runs} ${runs === 1 ? "run" : "runs"}; the best ${what} is ${format(found.value)}, of ${found.run} at epoch ${Number(found.epoch.toFixed(2))}. All numbers are in the tables below.` : "nothing to show yet";
  };
  const lower = (a, b) => a < b, higher = (a, b) => a > b, plain = (value) => value.toFixed(2), share = (value) => `${value.toFixed(1)} %`;
  const charts = [
    { id: "ppl", kind: "captioner", curves: ["val", "train"], factor: 1, title: "Perplexity: validation with marks, training dashed", log: true, format: plain, summary: summary("validation perplexity", plain, lower) },
    { id: "recall", kind: "alignment", curves: ["val"], factor: 100, title: "Mean R@10 on the validation split, in percent", log: false, format: share, summary: summary("mean R@10", share, higher) },
    { id: "cost", kind: "alignment", curves: ["train"], factor: 1, title: "Ranking cost in training", log: true, format: plain, summary: summary("cost", plain, lower) },
  ].map((about) => ({ about, chart: Chart.create(about) }));
  $("charts").append(...charts.map(({ chart }) => chart.element));

  function draw() {
    const runs = shown(), view = { log: $("scale").value === "log", close: $("close").checked };
    for (const { about, chart } of charts) {
      const curves = [];
      const kinds = about.curves.filter((which, k) => k === 0 || $("training").checked);
      for (const which of [...kinds].reverse()) // validation comes on top
        for (const run of runs)
          if (run.kind === about.kind && run[which][0].length)
            curves.push({
              run: run.name, slot: slots.get(run.name), solid: which === about.curves[0], faint: run.state === "pruned", points: points(run[which], about.factor), label: NAMES[which],
            });
      chart.element.hidden = !curves.length;
      chart.draw(curves, view);
    }
    const nothing = data.runs.length ? "None of the runs shown has an entry to draw." : "No runs here yet: they appear when training writes its first status file.";
    $("nothing").textContent = nothing;
    $("nothing").hidden = charts.some(({ chart }) => !chart.element.hidden);
    $("training").disabled = !data.runs.some((run) => run.train[0].length);
    if ($("points").open) list();
  }

  const light = (run) => charts.forEach(({ chart }) => chart.light(run));

  // ---- the key figures

  function strip() {
    const runs = shown(), pairs = [];
    for (const [state, text] of Object.entries(STATES)) {
      const count = runs.filter((run) => run.state === state).length;
      if (count) pairs.push([text, String(count)]);
    }
    const left = Math.max(...runs.filter((run) => run.state === "training" && run.left !== null).map((run) => run.left));
    if (left >= 0) pairs.push(["the longest still takes", duration(left)]);
    for (const [kind, name, better] of [["captioner", "best perplexity", lower], ["alignment", "best mean R@10", higher]]) {
      const done = runs.filter((run) => run.kind === kind && run.best);
      if (!done.length || new Set(done.map((run) => run.params.dataset)).size > 1) continue; // of two data sets: no comparison
      const first = done.reduce((a, b) => (better(b.best[1], a.best[1]) ? b : a));
      pairs.push([name, figure(first, first.best[1]), done.length > 1 ? first.name : ""]);
    }
    $("figures").replaceChildren(...pairs.map(([name, value, run]) => {
      const pair = make("div");
      pair.append(make("dt", name), make("dd", value));
      if (run) pair.append(make("dd", run, { class: "whose", dir: "auto" }));
      return pair;
    }));
  }

  // ---- the table

  function stateText(run) {
    if (run.state === "silent") return `silent since ${moment(run.heard)}`;
    return run.state === "training" && run.left !== null ? `${duration(run.left)} left` : STATES[run.state];
  }

  const FIXED = {
    run: { value: (run) => run.name },
    state: { value: (run) => Object.keys(STATES).indexOf(run.state), text: stateText },
    epoch: { value: (run) => run.epochs[0], text: (run) => (run.epochs[0] === null ? "" : `${Number(run.epochs[0].toFixed(2))}${run.epochs[1] === null ? "" : ` of ${run.epochs[1]}`}`) },
    best: { value: (run) => run.best && run.best[1], text: (run) => (run.best ? `${figure(run, run.best[1])} at ${Number(run.best[0].toFixed(2))}` : "") },
    validation: { value: (run) => last(run.val), text: (run) => figure(run, last(run.val)) },
    training: { value: (run) => last(run.train), text: (run) => (run.train[1].length ? last(run.train).toFixed(2) : "") },
    "sentences/s": { value: (run) => run.speed, text: (run) => (run.speed === null ? "" : run.speed.toFixed(run.speed < 10 ? 1 : 0)) },
  };

  const missing = (value) => value === undefined || value === null || value === "";
  const option = (name) => ({
    value: (run) => (missing(run.params[name]) || isNaN(run.params[name]) ? run.params[name] : Number(run.params[name])),
    text: (run) => run.params[name] ?? "",
  });
  const column = (name) => (name in FIXED ? FIXED[name] : option(name.slice(1))); // options are named "=name", apart from the others

  function sorted(runs) {
    if (order.by === "began") return runs;
    const { value } = column(order.by), sign = order.down ? -1 : 1;
    return runs.map((run) => [value(run), run]).sort(([a], [b]) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b); // empty ones last, either way
      return typeof a === typeof b ? sign * (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true })) : typeof a === "number" ? -1 : 1;
    }).map(([, run]) => run);
  }

  const table = make("table"), head = make("thead"), body = make("tbody");
  table.append(head, body);
  $("table").append(table);

  function heading(names) {
    if (columns && columns.join("\n") === names.join("\n")) return;
    const focused = document.activeElement && document.activeElement.dataset.column;
    columns = names;
    const row = make("tr");
    for (const name of names) {
      const cell = make("th", null, { scope: "col" }), button = make("button", name.startsWith("=") ? name.slice(1) : name, { type: "button", "data-column": name });
      cell.append(button);
      row.append(cell);
      if (name === focused) setTimeout(() => button.focus());
    }
    head.replaceChildren(row);
    rows.clear();
    body.replaceChildren();
  }

  function row(run) {
    if (!rows.has(run.name)) {
      const line = make("tr"), cell = make("th", null, { scope: "row" }), label = make("label"), box = make("input", null, { type: "checkbox" });
      label.append(box, Chart.swatch(slots.get(run.name)), make("bdi", run.name));
      const only = make("button", "only", { type: "button", class: "only", "aria-label": `show only ${run.name}` });
      cell.append(label, only);
      line.append(cell, ...columns.slice(1).map(() => make("td")));
      box.addEventListener("change", () => { off[box.checked ? "delete" : "add"](run.name); update(); });
      only.addEventListener("click", () => {
        const alone = shown().length === 1 && !off.has(run.name);
        choose((other) => alone || other.name === run.name);
      });
      for (const event of ["pointerenter", "focusin"]) line.addEventListener(event, () => light(run.name));
      for (const event of ["pointerleave", "focusout"]) line.addEventListener(event, () => light(null));
      rows.set(run.name, { line, box });
    }
    const { line, box } = rows.get(run.name);
    box.checked = !off.has(run.name);
    line.className = `${run.state}${off.has(run.name) ? " off" : ""}`;
    line.title = `last entry ${moment(run.heard)}${run.checkpoint ? `; best checkpoint ${run.checkpoint}` : ""}`;
    columns.slice(1).forEach((name, k) => {
      const cell = line.children[k + 1], text = column(name).text(run);
      if (cell.textContent !== text) cell.textContent = text;
      cell.className = name === "state" ? "state" : "";
    });
    return line;
  }

  function fill() {
    const names = differing(shown());
    heading([...Object.keys(FIXED), ...names.map((name) => `=${name}`)]);
    const lines = sorted(listed()).map(row);
    if (lines.length !== body.children.length || lines.some((line, k) => body.children[k] !== line)) {
      const focused = document.activeElement;
      body.replaceChildren(...lines);
      if (body.contains(focused)) focused.focus(); // moving an element takes the focus from it
    }
    for (const button of head.querySelectorAll("button")) {
      const own = button.dataset.column === order.by;
      button.parentElement.setAttribute("aria-sort", !own ? "none" : order.down ? "descending" : "ascending");
    }
    for (const id of ["hint", "table", "points"]) $(id).hidden = !data.runs.length;
  }

  // ---- all points as a table, made when it is opened

  function list() {
    const lines = [], cut = [];
    for (const run of shown())
      for (const which of ["val", "train"]) {
        if (run[which][2] > run[which][0].length) cut.push(run.name);
        const format = which === "val" ? (value) => figure(run, value) : (value) => value.toFixed(2);
        run[which][0].forEach((epoch, k) => lines.push([run.name, NAMES[which], Number(epoch.toFixed(3)), format(run[which][1][k])]));
      }
    const all = make("table"), top = make("tr"), notes = [];
    if (lines.length > MOST_ROWS) notes.push(`the first ${MOST_ROWS} of ${lines.length} points: hide some runs to see those of others`);
    if (cut.length) notes.push("long curves are thinned out");
    all.append(make("caption", notes.join("; ")));
    top.append(...["run", "of", "epoch", "figure"].map((name) => make("th", name, { scope: "col" })));
    all.append(top, ...lines.slice(0, MOST_ROWS).map((cells) => {
      const line = make("tr");
      line.append(...cells.map((text) => make("td", text)));
      return line;
    }));
    $("points").lastElementChild.replaceChildren(all);
  }

  // ---- one look at everything

  function choose(wanted) {
    for (const run of listed()) off[wanted(run) ? "delete" : "add"](run.name);
    update();
  }

  function update() {
    for (const run of data.runs) if (!slots.has(run.name)) slots.set(run.name, slots.size);
    const datasets = [...new Set(data.runs.map((run) => run.params.dataset).filter((name) => !missing(name)))].sort();
    offer("dataset", datasets.map((name) => [name, name]));
    offer("sweep", [...new Set(data.runs.map(sweepOf))].sort().map((value) => [value, value === "none" ? "runs of none" : value.slice(1)]));
    $("pruned-label").hidden = !data.runs.some((run) => run.state === "pruned");
    const faults = [...data.faults.map((text) => `left out: ${text}`), ...(data.hidden ? [`the ${data.hidden} oldest runs are left out`] : [])];
    $("faults").replaceChildren(...faults.map((text) => make("li", text)));
    $("faults").hidden = !faults.length;
    fill();
    strip();
    draw();
  }

  // A list to choose from, of [value, text]; hidden where there is no choice.
  function offer(id, values) {
    const list = $(id), chosen = list.value;
    if ([...list.options].slice(1).map((one) => one.value).join("\n") !== values.map(([value]) => value).join("\n")) {
      list.replaceChildren(make("option", "all", { value: "" }), ...values.map(([value, text]) => make("option", text, { value })));
      if (values.some(([value]) => value === chosen)) list.value = chosen;
    }
    $(`${id}-label`).hidden = values.length < 2;
  }

  Find.attach(update);
  for (const id of ["scale", "training", "close", "pruned"]) $(id).addEventListener("change", update);
  for (const id of ["dataset", "sweep"]) $(id).addEventListener("change", () => {
    // Colours and marks are dealt out anew, so that the runs now listed share as few as possible; else they stay with their run.
    slots.clear();
    rows.clear();
    for (const run of listed()) slots.set(run.name, slots.size);
    update();
  });
  $("all").addEventListener("click", () => choose(() => true));
  $("none").addEventListener("click", () => choose(() => false));
  $("points").addEventListener("toggle", () => $("points").open && list());
  head.addEventListener("click", (event) => {
    const name = event.target.dataset && event.target.dataset.column;
    if (!name) return;
    order = order.by !== name ? { by: name, down: false } : order.down ? { by: "began", down: false } : { by: name, down: true };
    fill();
  });

  // ---- newer data

  const live = carrier.dataset.live;
  let text = "", lost = null;

  async function look() {
    try {
      const answer = await fetch(live, { signal: AbortSignal.timeout(10000) });
      if (!answer.ok) throw new Error(answer.statusText);
      const news = await answer.text();
      if (news !== text) {
        [text, data] = [news, JSON.parse(news)];
        update();
        say(`up to date, changed ${clock(new Date())}`);
      } else if (lost) say("up to date");
      lost = null;
    } catch {
      lost = lost || new Date();
      say(`connection lost at ${clock(lost)}; trying again`);
    }
  }

  function say(words) {
    $("status").textContent = words;
    $("status").classList.toggle("lost", words.startsWith("connection"));
  }

  update();
  if (live) {
    look();
    setInterval(() => document.hidden || look(), PERIOD);
    document.addEventListener("visibilitychange", () => document.hidden || look());
  } else say(`as of ${carrier.dataset.written}`);
})();
