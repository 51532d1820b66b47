"use strict";
// Charts in SVG, from what jaxscale.plot._charts says they show: panels with axes and marks. Colours come from the style
// sheet; what a mark stands for is in the key below; names in a chart stand where they hide no other words.
// Chart(host, chart) draws, and again whenever the width of the host changes; update(chart) of what it returns draws
// another.
const Chart = (() => {
  const SVG = "http://www.w3.org/2000/svg", FONT = 12, LINE = 15, NARROWEST = 205;
  const pen = document.createElement("canvas").getContext("2d");
  function widthOf(text) {
    pen.font = `${FONT}px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif`;
    return pen.measureText(text).width * 1.04;
  }
  function cut(text, room) {
    if (widthOf(text) <= room) return text;
    let n = text.length;
    while (n > 1 && widthOf(text.slice(0, n) + "…") > room) n--;
    return text.slice(0, n) + "…";
  }
  function linesOf(name, room) { // one, or two where it is longer and has a space to break at
    if (widthOf(name) <= room) return [name];
    const words = name.split(/ (?!%)/);
    let n = words.length - 1;
    while (n > 0 && widthOf(words.slice(0, n).join(" ")) > room) n--;
    return n > 0 ? [words.slice(0, n).join(" "), cut(words.slice(n).join(" "), room)] : [cut(name, room)];
  }
  function el(name, attributes, parent, text) {
    const made = document.createElementNS(SVG, name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (text !== undefined) made.textContent = text;
    parent?.append(made);
    return made;
  }
  const roleClass = role => (typeof role === "number" ? `r-s${Math.round(8 * Math.min(Math.max(role, 0), 1))}` : `r-${role}`);

  // --- What an axis spans ---
  function valuesOf(mark, key) { // every number of a mark along "x" or "y"
    switch (mark.mark) {
      case "bars": return mark.along === key ? [...mark.start, ...mark.end] : [...mark.at.map(v => v - mark.width), ...mark.at.map(v => v + mark.width)];
      case "whiskers": return mark.along === key ? [...mark.low, ...mark.high, ...mark[key]] : mark[key];
      case "rule": return mark.along === key ? [mark.at] : [];
      case "span": return mark.along === key ? [mark.low, mark.high] : [];
      case "word": return [];
      default: return mark[key];
    }
  }
  function endsOf(axis, panels, key) {
    if (axis.ends) return axis.ends;
    let low = Infinity, high = -Infinity;
    for (const panel of panels) for (const mark of panel.marks) for (const v of valuesOf(mark, key))
      if (v !== null && Number.isFinite(v) && (!axis.log || v > 0)) { low = Math.min(low, v); high = Math.max(high, v); }
    if (low === Infinity) return axis.log ? [1, 10] : [0, 1];
    if (axis.log) { const pad = high > low ? (high / low) ** 0.04 : 2; return [low / pad, high * pad]; }
    const pad = high > low ? 0.05 * (high - low) : Math.abs(high) || 1;
    return [low - pad, high + pad];
  }

  // --- Words that must not hide each other ---
  function placer(width, height) {
    const taken = [];
    const free = b => b.x0 >= 0 && b.x1 <= width && b.y0 >= 0 && b.y1 <= height && taken.every(t => b.x1 < t.x0 || b.x0 > t.x1 || b.y1 < t.y0 || b.y0 > t.y1);
    const box = (x, y, anchor, w) => { const x0 = anchor === "start" ? x : anchor === "end" ? x - w : x - w / 2; return { x0: x0 - 2, x1: x0 + w + 2, y0: y - FONT + 1, y1: y + 3 }; };
    return {
      keep: (x, y, anchor, text) => taken.push(box(x, y, anchor, widthOf(text))),
      avoid: (x, y) => taken.push({ x0: x - 3.5, x1: x + 3.5, y0: y - 3.5, y1: y + 4 }), // a mark at the edge
      // The words, a line below another where there are several, at the first of some places that is free and hides no
      // point, else at the first that is free, which they may also stand on; nothing where none is.
      put(parent, text, places, attributes, points) {
        const lines = text.split("\n"), w = Math.max(...lines.map(widthOf)), below = LINE * (lines.length - 1);
        let found = null;
        for (const [x, y, anchor] of below ? places.flatMap(([x, y, a]) => [[x, y, a], [x, y - below, a]]) : places) {
          const b = box(x, y, anchor, w);
          b.y1 += below;
          if (!free(b)) continue;
          const bare = !points.some(([px, py]) => px > b.x0 && px < b.x1 && py > b.y0 && py < b.y1);
          if (bare || !found) found = { b, x: x.toFixed(1), y: y.toFixed(1), anchor, bare };
          if (bare) break;
        }
        if (!found) return;
        taken.push(found.b);
        const made = el("text", { x: found.x, y: found.y, "text-anchor": found.anchor, ...attributes }, parent, lines[0]);
        for (const line of lines.slice(1)) el("tspan", { x: found.x, dy: LINE }, made, line);
      },
    };
  }

  // --- Marks ---
  const SHAPES = { // around 0, 0; every step but the first is relative
    dot: "M-2.6,0a2.6,2.6 0 1 0 5.2,0a2.6,2.6 0 1 0 -5.2,0", ring: "M-4,0a4,4 0 1 0 8,0a4,4 0 1 0 -8,0", square: "M-3,-3h6v6h-6z",
    up: "M0,-4.5l4.2,7.5h-8.4z", down: "M0,4.5l4.2,-7.5h-8.4z", tick: "M0,-6v12",
    cross: "M-4,-1.4h2.6v-2.6h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6z", pixel: "M-1.2,0a1.2,1.2 0 1 0 2.4,0a1.2,1.2 0 1 0 -2.4,0",
  };
  const around = (x, y) => [[x + 6, y + 4, "start"], [x - 6, y + 4, "end"], [x, y - 7, "middle"], [x, y + 16, "middle"], [x + 6, y - 8, "start"], [x - 6, y + 17, "end"]];
  function path(xs, ys, X, Y) {
    let d = "", down = false;
    for (let i = 0; i < xs.length; i++) {
      const x = X(xs[i]), y = Y(ys[i]);
      if (!Number.isFinite(x) || !Number.isFinite(y)) { down = false; continue; }
      d += `${down ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`;
      down = true;
    }
    return d;
  }
  const DRAW = {
    dots(m, c, f) {
      const small = m.x.length > 800 && m.shape === "dot", edge = m.shape === "up" || m.shape === "down";
      let d = "";
      m.x.forEach((x, i) => { const px = f.X(x), py = f.Y(m.y[i]); if (Number.isFinite(px + py)) d += `M${px.toFixed(1)},${py.toFixed(1)}` + SHAPES[small ? "pixel" : m.shape].replace(/^M/, "m"); if (edge) f.avoid(px, py); else f.points.push([px, py]); });
      el("path", { d, class: `dots ${m.shape} ${m.x.length > 200 ? "many" : ""} ${c}` }, edge ? f.over : f.body);
      m.names?.forEach((name, i) => name && f.names.push([name, around(f.X(m.x[i]), f.Y(m.y[i])), `name ${c}`]));
    },
    line(m, c, f) {
      el("path", { d: path(m.x, m.y, f.X, f.Y), class: `line ${m.dash} ${c}` }, f.body);
      if (!m.name) return;
      const inside = m.x.map((x, i) => [f.X(x), f.Y(m.y[i])]).filter(([x, y]) => x >= f.left && x <= f.right && y >= f.top && y <= f.bottom);
      const places = [...inside].reverse().concat(inside).flatMap(([x, y]) => [[x + 4, y - 4, "start"], [x - 4, y - 4, "end"], [x + 4, y + 12, "start"], [x - 4, y + 12, "end"]]);
      f.names.push([m.name, places, `name ${c}`]);
    },
    area(m, c, f) { const d = path(m.x, m.y, f.X, f.Y); if (d) el("path", { d: d.replace(/(?!^)M/g, "L") + "Z", class: `area ${c}` }, f.body); },
    whiskers(m, c, f) {
      let d = "";
      m.x.forEach((x, i) => { if (m.low[i] !== null && m.high[i] !== null) d += m.along === "x" ? `M${f.X(m.low[i])},${f.Y(m.y[i])}H${f.X(m.high[i])}` : `M${f.X(x)},${f.Y(m.low[i])}V${f.Y(m.high[i])}`; });
      el("path", { d, class: `whiskers ${c}` }, f.body);
    },
    bars(m, c, f) {
      m.at.forEach((at, i) => {
        const along = m.along === "x", [from, to] = [m.start[i], m.end[i]].map(along ? f.X : f.Y), [a, b] = [at - m.width / 2, at + m.width / 2].map(along ? f.Y : f.X);
        if (!Number.isFinite(from + to)) return;
        const box = along ? { x: Math.min(from, to), width: Math.abs(to - from), y: Math.min(a, b), height: Math.abs(b - a) } : { y: Math.min(from, to), height: Math.abs(to - from), x: Math.min(a, b), width: Math.abs(b - a) };
        el("rect", { ...box, class: `bar ${c}` }, f.body);
        if (!m.names?.[i]) return;
        const y = (a + b) / 2 + 4, outward = to < from ? [to - 5, y, "end"] : [to + 5, y, "start"];
        f.names.push([m.names[i], along ? [outward, [to < from ? to + 5 : to - 5, y, to < from ? "start" : "end"]] : [[(a + b) / 2, to - 5, "middle"]], "name ink", true]);
      });
    },
    rule(m, c, f) {
      const x = m.along === "x" ? f.X(m.at) : null, y = m.along === "y" ? f.Y(m.at) : null;
      el("path", { d: x === null ? `M${f.left},${y}H${f.right}` : `M${x},${f.top}V${f.bottom}`, class: `rule ${m.dash} ${c}` }, f.body);
      if (m.name) f.names.push([m.name, x === null ? [[f.right - 3, y - 4, "end"], [f.left + 3, y - 4, "start"]] : [[x, f.top - 6, "middle"], [x + 4, f.top + 10, "start"], [x - 4, f.top + 10, "end"], [x + 4, f.bottom - 5, "start"], [x - 4, f.bottom - 5, "end"]], "name ink"]);
    },
    span(m, c, f) {
      const across = m.along === "x", low = across ? f.left : f.top, high = across ? f.right : f.bottom;
      const [a, b] = [m.low, m.high].map(v => Math.min(Math.max((across ? f.X : f.Y)(v), low), high)).sort((p, q) => p - q);
      el("rect", { ...(across ? { x: a, width: b - a, y: f.top, height: f.bottom - f.top } : { y: a, height: b - a, x: f.left, width: f.right - f.left }), class: `span ${c}` }, f.body);
    },
    contours(m, c, f) {
      const x = m.x.map(f.X), y = m.y.map(f.Y);
      for (const level of m.levels) {
        const found = Contour.pieces(x, y, m.z, level);
        el("path", { d: found.map(([p, q]) => `M${p[0].toFixed(1)},${p[1].toFixed(1)}L${q[0].toFixed(1)},${q[1].toFixed(1)}`).join(""), class: `line thin ${c}` }, f.body);
        const ends = found.map(([p]) => p).sort((p, q) => q[0] - q[1] - (p[0] - p[1])); // from the upper right downwards
        f.names.push([Numbers.plain(level, 3), ends.filter((_, i) => i % 4 === 0).map(([px, py]) => [px - 3, py + 4, "end"]), `name halo ${c}`]);
      }
    },
    word(m, c, f) { m.text.match(/.{1,44}(\s|$)/g)?.forEach((line, i) => el("text", { x: (f.left + f.right) / 2, y: (f.top + f.bottom) / 2 + LINE * i, "text-anchor": "middle", class: `name ${c}` }, f.over, line.trim())); },
  };

  // --- One panel ---
  let serial = 0;
  function drawPanel(panel, width, height, all) {
    const { x: ax, y: ay } = panel, [x0, x1] = endsOf(ax, all.x ?? [panel], "x"), [y0, y1] = endsOf(ay, all.y ?? [panel], "y");
    const named = panel.marks.some(mark => mark.mark === "rule" && mark.name);
    const top = ay.label ? 24 : named ? 20 : 8, bottom = height - (ax.label ? 38 : 20);
    const yTicks = ay.names.length || !ay.ticks ? [] : Numbers.ticks(y0, y1, ay.log, Math.floor((bottom - top) / 32), ay.form === "count");
    const yTexts = Numbers.tickTexts(yTicks, ay.form), yNames = ay.names.map(name => linesOf(name, width * 0.34));
    const left = 10 + Math.max(8, ...[...yTexts, ...yNames.flat()].map(widthOf)), right = width - 14;
    const xTicks = ax.names.length || !ax.ticks ? [] : Numbers.ticks(x0, x1, ax.log, Math.floor((right - left) / 58), ax.form === "count");
    const xTexts = Numbers.tickTexts(xTicks, ax.form);
    const scale = (log, from, to, a, b) => { const u = log ? Math.log : v => v, s = (b - a) / (u(to) - u(from)); return v => (v === null ? NaN : a + s * (u(v) - u(from))); };
    const X = scale(ax.log, x0, x1, left, right), Y = scale(ay.log, y0, y1, bottom, top);
    const svg = el("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true", focusable: "false" });
    const clip = `clip-${serial++}`, words = placer(width, height);
    el("rect", { x: left, y: top - 2, width: right - left + 2, height: bottom - top + 4 }, el("clipPath", { id: clip }, el("defs", {}, svg)));
    const grid = el("g", { class: "grid" }, svg);
    let last = -Infinity;
    xTicks.forEach((v, i) => {
      const x = X(v), half = widthOf(xTexts[i]) / 2, at = Math.min(x, width - half - 1);
      el("line", { x1: x, x2: x, y1: top, y2: bottom }, grid);
      if (at - half < last + 6) return; // no room beside the one before
      last = at + half;
      words.keep(at, bottom + 15, "middle", xTexts[i]);
      el("text", { x: at, y: bottom + 15, "text-anchor": "middle" }, grid, xTexts[i]);
    });
    yTicks.forEach((v, i) => { el("line", { x1: left, x2: right, y1: Y(v), y2: Y(v) }, grid); words.keep(left - 6, Y(v) + 4, "end", yTexts[i]); el("text", { x: left - 6, y: Y(v) + 4, "text-anchor": "end" }, grid, yTexts[i]); });
    yNames.forEach((lines, i) => lines.forEach((line, k) => {
      const y = Y(i) + 4 + FONT * (k - (lines.length - 1) / 2);
      words.keep(left - 6, y, "end", line);
      el("text", { x: left - 6, y, "text-anchor": "end", class: "ink" }, grid, line);
    }));
    if (ax.ticks || ay.ticks) el("path", { d: `M${left},${top}V${bottom}H${right}`, class: "frame" }, grid);
    if (ay.label) el("text", { x: 2, y: 13, class: "label" }, svg, cut(ay.label, width - 4));
    if (ax.label) el("text", { x: right, y: height - 6, "text-anchor": "end", class: "label" }, svg, cut(ax.label, width - 18));
    if (ay.label) words.keep(2, 13, "start", cut(ay.label, width - 4));
    const f = { X, Y, left, right, top, bottom, body: el("g", { "clip-path": `url(#${clip})` }, svg), over: el("g", {}, svg), names: [], points: [], avoid: words.avoid };
    for (const mark of panel.marks) DRAW[mark.mark](mark, roleClass(mark.role), f);
    f.names.sort((a, b) => (b[3] ? 1 : 0) - (a[3] ? 1 : 0)); // values of bars first
    for (const [text, places, names] of f.names) words.put(f.over, text, places.filter(([x, y]) => y >= top - 6 && y < bottom + 2 && x > left - 2), { class: names }, f.points);
    return svg;
  }

  // --- The key: what each look stands for, once ---
  function swatch(mark) {
    const svg = el("svg", { width: 22, height: 12, viewBox: "0 0 22 12", "aria-hidden": "true" }), c = roleClass(mark.role);
    const kind = mark.mark;
    if (kind === "dots") el("path", { d: SHAPES[mark.shape], class: `dots ${mark.shape} ${c}`, transform: "translate(11,6)" }, svg);
    else if (kind === "area" || kind === "span" || kind === "bars") el("rect", { x: 2, y: 1, width: 18, height: 10, class: `${kind === "bars" ? "bar" : kind} ${c}` }, svg);
    else if (kind === "whiskers") el("path", { d: "M11,0V12", class: `whiskers ${c}` }, svg);
    else el("path", { d: "M1,6H21", class: `${kind === "contours" ? "line thin" : kind} ${mark.dash ?? ""} ${c}` }, svg);
    return svg;
  }
  function keyOf(chart) {
    const list = document.createElement("ul"), seen = new Set();
    list.className = "key";
    for (const panel of chart.panels) for (const mark of panel.marks) {
      if (!mark.label || seen.has(mark.label)) continue;
      seen.add(mark.label);
      const item = document.createElement("li");
      item.append(swatch(mark), mark.label);
      list.append(item);
    }
    return list;
  }

  function draw(host, chart, width) {
    const columns = Math.max(1, Math.min(chart.columns, Math.floor(width / NARROWEST))), rows = Math.ceil(chart.panels.length / chart.columns);
    const each = Math.floor((width - 16 * (columns - 1)) / columns), panels = document.createElement("div");
    const shape = (chart.size[1] / rows) / (chart.size[0] / chart.columns);
    panels.className = `panels columns-${columns}`;
    panels.setAttribute("role", "img");
    panels.setAttribute("aria-label", chart.alt);
    for (const panel of chart.panels) {
      const box = document.createElement("div"), named = panel.y.names.length;
      for (const [text, name] of [[panel.title, "panel-title"], [panel.note, "panel-note"]]) if (text) { const p = document.createElement("p"); p.className = name; p.textContent = text; box.append(p); }
      const height = named ? 70 + 28 * named : Math.round(Math.min(Math.max(each * shape, 200), 340));
      box.append(drawPanel(panel, each, height, { [chart.shared]: chart.panels }));
      panels.append(box);
    }
    host.replaceChildren(panels, keyOf(chart));
  }

  const charts = new Set();
  function make(host, chart) {
    let drawn = 0;
    const made = {
      host,
      update(other) { chart = other; made.redraw(); },
      redraw(width) { drawn = width ?? Math.max(220, Math.floor(host.clientWidth)); draw(host, chart, drawn); },
    };
    charts.add(made);
    new ResizeObserver(() => { if (host.clientWidth && Math.abs(host.clientWidth - drawn) > 1) made.redraw(); }).observe(host);
    made.redraw();
    return made;
  }
  // On paper a chart is as wide as its column, with words of a readable size.
  addEventListener("beforeprint", () => { for (const c of charts) c.redraw(c.host.closest(".pair") ? 320 : 660); });
  addEventListener("afterprint", () => { for (const c of charts) c.redraw(); });
  return make;
})();
