// One line chart, drawn as SVG: axes, curves with marks, a readout by pointer or keyboard.
//
//   curve   {run, slot, solid, faint, points: [[x, y], ...], label}: slot chooses colour and mark; solid: validation, else
//           training; faint: drawn behind the others, and lighter
//   view    {log, close}: scale of y; close fits it to the last two thirds of x
//
// Colour never stands alone: each of the first 36 slots has its own pair of colour and mark, and the readout names the run.
"use strict";
const Chart = (() => {
  const COLOURS = 6, LEFT = 52, RIGHT = 14, TOP = 10, BOTTOM = 34;
  const MARKS = [ // in a square of 10 around (5, 5)
    "M5 1.4a3.6 3.6 0 1 0 .01 0z", "M2 2h6v6h-6z", "M5 .8l4.3 7.6h-8.6z", "M5 .4l4.6 4.6l-4.6 4.6l-4.6 -4.6z",
    "M3.8 1h2.4v2.8h2.8v2.4h-2.8v2.8h-2.4v-2.8h-2.8v-2.4h2.8z", "M5 9.2l4.3 -7.6h-8.6z",
  ];
  const colour = (slot) => `k${slot % COLOURS}`;
  const mark = (slot) => MARKS[(slot + Math.floor(slot / COLOURS)) % MARKS.length];

  function svg(name, attributes = {}, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  // A line with its mark, as the legend shows it.
  function swatch(slot) {
    const sample = svg("svg", { class: `swatch ${colour(slot)}`, width: 26, height: 12, viewBox: "0 0 26 12", "aria-hidden": "true" });
    sample.append(svg("path", { class: "curve solid", d: "M0 6H26" }), svg("path", { class: "mark", d: mark(slot), transform: "translate(8 1)" }));
    return sample;
  }

  // Round numbers from low to high, about `count` of them.
  function linearTicks(low, high, count) {
    const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    const ticks = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high * (1 + 1e-9) + 1e-12; k++) ticks.push(Number((k * step).toPrecision(12)));
    return ticks;
  }

  // 1, 2, 5, 10, 20 ...; linear ones where those are too far apart.
  function logTicks(low, high, count) {
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
      for (const factor of [1, 2, 5]) ticks.push(Number((factor * 10 ** power).toPrecision(12)));
    const inside = ticks.filter((tick) => tick >= low && tick <= high);
    return inside.length >= 3 ? inside : linearTicks(low, high, count);
  }

  const short = (number) => (Math.abs(number) >= 1e5 || (number && Math.abs(number) < 1e-3) ? number.toExponential(0) : String(number));

  // {from, to, place: number -> pixel, ticks}
  function axis(low, high, log, start, end, count) {
    if (!(high > low)) [low, high] = log ? [low / 1.1, low * 1.1] : [low - 0.5, low + 0.5];
    const turn = log ? Math.log : (number) => number, from = turn(low), to = turn(high);
    return { place: (number) => start + ((turn(number) - from) / (to - from)) * (end - start), ticks: (log ? logTicks : linearTicks)(low, high, count) };
  }

  // create({title, y, format, log, summary}) -> {element, draw(curves, view), light(run or null)}
  function create(about) {
    const element = document.createElement("figure"), plot = document.createElement("div"), readout = document.createElement("div");
    const caption = document.createElement("figcaption");
    caption.textContent = about.title;
    element.className = "chart";
    plot.className = "plot";
    plot.tabIndex = 0;
    plot.setAttribute("role", "application");
    plot.setAttribute("aria-roledescription", "chart");
    plot.setAttribute("aria-label", `${about.title}: left and right go along a curve, up and down to the next curve, Escape leaves`);
    readout.className = "readout";
    readout.setAttribute("role", "status");
    readout.hidden = true;
    const root = svg("svg", { role: "img" });
    plot.append(root, readout);
    element.append(caption, plot);

    let curves = [], view = {}, width = 0, height = 0, at = null, ring = null, drawn = [];

    function draw(newCurves = curves, newView = view) {
      [curves, view] = [newCurves, newView];
      width = Math.max(plot.clientWidth, 240);
      height = Math.round(Math.min(Math.max(width * 0.5, 240), 420));
      root.setAttribute("viewBox", `0 0 ${width} ${height}`);
      root.setAttribute("height", height);
      const log = view.log && about.log;
      const usable = ([, y]) => !log || y > 0;
      const shown = curves.map((curve) => ({ ...curve, points: curve.points.filter(usable) })).filter((curve) => curve.points.length);
      shown.sort((a, b) => Boolean(b.faint) - Boolean(a.faint)); // the others stay in their order
      const title = svg("title"), desc = svg("desc");
      title.textContent = about.title;
      desc.textContent = about.summary(shown);
      root.replaceChildren(title, desc);
      drawn = [];
      if (!shown.length) return show(null);

      const xs = shown.flatMap((curve) => curve.points.map((point) => point[0]));
      const right = xs.reduce((most, x) => Math.max(most, x), 0);
      const late = shown.flatMap((curve) => curve.points.filter(([x]) => !view.close || x >= right / 3).map((point) => point[1]));
      const ys = late.length ? late : shown.flatMap((curve) => curve.points.map((point) => point[1]));
      const [low, high] = ys.reduce(([a, b], y) => [Math.min(a, y), Math.max(b, y)], [Infinity, -Infinity]);
      const begins = !xs.some((x) => x < right); // a run's first entry, of its first batch, is all there is
      const x = axis(0, begins ? Math.max(right, 1) : right, false, LEFT, width - RIGHT, width / 90);
      const y = axis(low, high, log, height - BOTTOM - 6, TOP + 6, height / 60);
      axes(x, y);

      const clip = `clip-${about.id}`;
      root.append(svg("clipPath", { id: clip }, svg("rect", { x: LEFT - 6, y: TOP - 2, width: width - LEFT - RIGHT + 12, height: height - TOP - BOTTOM + 4 })));
      const group = svg("g", { "clip-path": `url(#${clip})` }), crowded = shown.filter((curve) => curve.solid).length > 20;
      for (const slot of new Set(shown.map((curve) => curve.slot))) root.append(marker(slot));
      for (const curve of shown) {
        const points = curve.points.map(([a, b]) => [x.place(a), y.place(b)]);
        const line = svg("polyline", {
          class: `curve ${curve.solid ? "solid" : "thin"}${curve.faint ? " faint" : ""} ${colour(curve.slot)}`,
          points: points.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(" "),
        });
        const end = `url(#${about.id}-${curve.slot})`;
        if (curve.solid || points.length === 1) line.setAttribute("marker-end", end);
        if (curve.solid && !crowded && points.length <= 40) for (const place of ["marker-start", "marker-mid"]) line.setAttribute(place, end);
        group.append(line);
        drawn.push({ curve, points, line });
      }
      ring = svg("circle", { class: "ring", r: 6, visibility: "hidden" });
      root.append(group, ring);
      // The point that was looked at stays: newer data only adds to the curves.
      const found = at && drawn.find(({ curve }) => curve.run === at.curve.run && curve.solid === at.curve.solid);
      show(found ? { curve: found.curve, drawn: found, k: Math.min(at.k, found.points.length - 1) } : null);
    }

    function marker(slot) {
      const shape = svg("marker", { id: `${about.id}-${slot}`, viewBox: "0 0 10 10", refX: 5, refY: 5, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse" });
      shape.append(svg("path", { class: `mark ${colour(slot)}`, d: mark(slot) }));
      return shape;
    }

    function axes(x, y) {
      const bottom = height - BOTTOM, grid = svg("g", { class: "axes", "aria-hidden": "true" });
      const text = (content, attributes) => {
        const label = svg("text", attributes);
        label.textContent = content;
        grid.append(label);
      };
      for (const tick of y.ticks) {
        const place = y.place(tick).toFixed(1);
        grid.append(svg("path", { d: `M${LEFT} ${place}H${width - RIGHT}` }));
        text(short(tick), { x: LEFT - 8, y: place, "text-anchor": "end", "dominant-baseline": "central" });
      }
      for (const tick of x.ticks) {
        const place = x.place(tick).toFixed(1);
        grid.append(svg("path", { d: `M${place} ${bottom}v4` }));
        text(short(tick), { x: place, y: bottom + 17, "text-anchor": "middle" });
      }
      grid.append(svg("path", { class: "base", d: `M${LEFT} ${bottom}H${width - RIGHT}` }));
      text("epochs", { x: width - RIGHT, y: height - 3, "text-anchor": "end" });
      root.append(grid);
    }

    // Point k of a curve in the readout and under the ring; null: nothing.
    function show(where) {
      at = where;
      light(at && at.curve.run);
      readout.hidden = !at;
      if (ring) ring.setAttribute("visibility", at ? "visible" : "hidden");
      if (!at) return;
      const [px, py] = at.drawn.points[at.k], [epoch, figure] = at.curve.points[at.k];
      ring.setAttribute("cx", px);
      ring.setAttribute("cy", py);
      const name = document.createElement("bdi"), numbers = document.createElement("span");
      name.textContent = at.curve.run;
      numbers.textContent = `epoch ${Number(epoch.toFixed(2))}: ${at.curve.label} ${about.format(figure)}`;
      readout.replaceChildren(swatch(at.curve.slot), name, numbers);
      readout.style.left = `${Math.min(Math.max(px + (px > width / 2 ? -14 - readout.offsetWidth : 14), 0), Math.max(width - readout.offsetWidth, 0))}px`;
      readout.style.top = `${Math.max(Math.min(py, height) - readout.offsetHeight - 10, 0)}px`;
    }

    // Bring one run forward; null: all alike.
    function light(run) {
      root.classList.toggle("lit", run !== null && drawn.some(({ curve }) => curve.run === run));
      for (const { curve, line } of drawn) line.classList.toggle("on", curve.run === run);
    }

    function nearest(px, py, among = drawn) {
      let best = null, least = Infinity;
      for (const one of among)
        one.points.forEach(([a, b], k) => {
          const distance = (a - px) ** 2 + (b - py) ** 2;
          if (distance < least) [best, least] = [{ curve: one.curve, drawn: one, k }, distance];
        });
      return best;
    }

    plot.addEventListener("pointermove", (event) => {
      const box = root.getBoundingClientRect();
      show(nearest(event.clientX - box.left, event.clientY - box.top));
    });
    plot.addEventListener("pointerleave", () => document.activeElement !== plot && show(null));
    plot.addEventListener("blur", () => show(null));
    plot.addEventListener("focus", () => !at && drawn.length && plot.matches(":focus-visible") && show({ curve: drawn[0].curve, drawn: drawn[0], k: drawn[0].points.length - 1 }));
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key], jump = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (event.key === "Escape") show(null);
      if (!drawn.length || (!step && !jump)) return;
      event.preventDefault();
      if (!at) return show({ curve: drawn[0].curve, drawn: drawn[0], k: 0 });
      if (step) return show({ ...at, k: Math.min(Math.max(at.k + step, 0), at.drawn.points.length - 1) });
      // The curves from top to bottom, each by its point that is nearest in epochs.
      const px = at.drawn.points[at.k][0];
      const column = drawn.map((one) => nearest(px, 0, [{ ...one, points: one.points.map(([a]) => [a, 0]) }])).map((found, k) => ({ ...found, drawn: drawn[k] }));
      column.sort((a, b) => a.drawn.points[a.k][1] - b.drawn.points[b.k][1]);
      const here = column.findIndex((one) => one.drawn === at.drawn);
      show(column[Math.min(Math.max(here + jump, 0), column.length - 1)]);
    });
    new ResizeObserver(() => plot.clientWidth && plot.clientWidth !== width && draw()).observe(plot);
    return { element, draw, light };
  }
  return { create, swatch };
})();
