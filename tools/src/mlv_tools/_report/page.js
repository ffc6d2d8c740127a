// The page of `mlv report`. Whatever comes out of a log is put in by textContent, as data of a chart, or as the source of
// an image that is a data: address; it never becomes markup, a Vega expression or a field's name.
"use strict";
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const runs = page.experiments;
  for (const run of runs) run.params = new Map(run.params); // a name may be "__proto__"
  const PALETTE = ["#4269d0", "#e8803a", "#d6456b", "#2f9e8f", "#55a04a", "#8f5bd6", "#a5703f", "#3b9fd8", "#c84fb4", "#8a9099"];
  const MARKED = 60; // a curve of at most so many points shows each of them
  const [LARGEST, SMALLEST] = [1e300, 1e-290]; // as in charts.py
  const NARROW = 1e-18; // likewise
  const READOUT = 8; // experiments in the box under the pointer
  const $ = (id) => document.getElementById(id);

  const state = { picked: new Set(), colours: [], axis: "step", log: false, smooth: 0, sort: null };

  // ---- small pieces ----

  function make(tag, properties = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name === "class") node.className = value;
      else node[name] = value;
    }
    node.append(...children);
    return node;
  }

  function swatch(run) {
    const node = make("span", { class: "swatch" });
    node.style.setProperty("--swatch", state.colours[run]);
    return node;
  }

  function number(value) {
    if (value === null || value === undefined) return "";
    if (typeof value !== "number") return String(value);
    if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
    return String(Number(value.toPrecision(6)));
  }

  function seconds(value) {
    if (value === null || value === undefined) return "";
    if (value < 1) return `${number(Number((value * 1000).toPrecision(3)))} ms`;
    if (value < 120) return `${number(Number(value.toPrecision(3)))} s`;
    const [h, m, s] = [Math.floor(value / 3600), Math.floor((value % 3600) / 60), Math.floor(value % 60)];
    return h ? `${h} h ${m} min` : `${m} min ${s} s`;
  }

  // In which unit an axis of so many seconds is best read: how many seconds it has, and its name.
  function unitOf(most) {
    return most > 7200 ? [3600, "hours"] : most > 300 ? [60, "minutes"] : [1, "seconds"];
  }

  function debounce(work, wait) {
    let timer = 0;
    return () => { clearTimeout(timer); timer = setTimeout(work, wait); };
  }

  function choices(select, labels) {
    select.replaceChildren(...labels.map((label, index) => make("option", { value: String(index), textContent: label })));
  }

  // ---- colours: one for each experiment, or for each value of a parameter ----

  function hue(index) {
    return index < PALETTE.length ? PALETTE[index] : `hsl(${Math.round((index * 137.508) % 360)} 60% 52%)`;
  }

  const groupings = [["experiment", (run, index) => index], ["kind", (run) => run.kind], ["state", (run) => run.state]];
  for (const name of page.differing) groupings.push([`parameter ${name}`, (run) => JSON.stringify(run.params.get(name) ?? null)]);

  function colour() {
    const key = groupings[Number($("colour").value)][1];
    const values = new Map();
    state.colours = runs.map((run, index) => {
      if (run.state === "broken") return "transparent";
      const value = key(run, index);
      if (!values.has(value)) values.set(value, values.size);
      return hue(values.get(value));
    });
  }

  // ---- picking experiments ----

  function words(run) {
    const params = [...run.params].map(([name, value]) => `${name}=${value}`);
    return [run.name, run.kind, run.state, ...run.tags, ...params].join("\n").toLowerCase();
  }

  function listExperiments() {
    $("list").replaceChildren(...runs.map((run, index) => {
      const broken = run.state === "broken";
      const box = make("input", { type: "checkbox", checked: state.picked.has(index), disabled: broken });
      box.addEventListener("change", () => { state.picked[box.checked ? "add" : "delete"](index); changed(); });
      const label = make("label", { title: run.name }, box, swatch(index), make("span", { class: "name", textContent: run.name }),
        make("span", { class: `state ${run.state}`, textContent: run.state }));
      const item = make("li", {}, label);
      item.style.setProperty("--depth", run.depth);
      return item;
    }));
    search();
  }

  function search() {
    const terms = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    [...$("list").children].forEach((item, index) => {
      item.hidden = !terms.every((term) => haystack[index].includes(term));
    });
  }

  function pickShown(on) {
    [...$("list").children].forEach((item, index) => {
      if (item.hidden || runs[index].state === "broken") return;
      state.picked[on ? "add" : "delete"](index);
      item.querySelector("input").checked = on;
    });
    changed();
  }

  const haystack = runs.map(words);

  // ---- charts: drawn when they come into sight, and again when something changed ----

  function theme() {
    const style = getComputedStyle(document.documentElement);
    const get = (name) => style.getPropertyValue(name).trim();
    const axis = { labelColor: get("--faint"), titleColor: get("--faint"), gridColor: get("--grid"), domainColor: get("--line"),
      tickColor: get("--line"), labelFont: "system-ui, sans-serif", titleFont: "system-ui, sans-serif", titleFontWeight: "normal" };
    return { background: null, view: { stroke: null }, axis };
  }

  async function embed(node, spec, datasets) {
    const [width, height] = [node.clientWidth, spec.height];
    const result = await vegaEmbed(node, { ...spec, width, autosize: { type: "fit", contains: "padding" }, datasets, config: theme() },
      { actions: false, ast: true, defaultStyle: false, tooltip: { disableDefaultStyle: true }, renderer: "canvas" });
    node.dataset.drawn = String(Number(node.dataset.drawn ?? 0) + 1);
    return result.view;
  }

  const sight = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      entry.target.visible = entry.isIntersecting;
      if (entry.isIntersecting) refresh(entry.target);
    }
  }, { rootMargin: "300px" });

  // A node's `draw` is run where the node is in sight and older than the last change; never twice at a time.
  let version = 1;
  async function refresh(node) {
    if (node.busy || !node.visible || node.version === version || !node.clientWidth) return;
    node.busy = true;
    while (node.version !== version) {
      node.version = version;
      try { await node.draw(); } catch (error) { node.replaceChildren(make("p", { class: "problem", textContent: `This chart failed: ${error}` })); }
    }
    node.busy = false;
  }

  const plots = [];
  function redraw() {
    version += 1;
    plots.forEach(refresh);
  }

  // ---- curves ----

  // The exponential moving average, corrected for its start; a value that is missing stays missing.
  function smoothed(values, weight) {
    let [sum, share] = [0, 0];
    return values.map((value) => {
      if (value === null) return null;
      sum = sum * weight + (1 - weight) * value;
      share = share * weight + (1 - weight);
      return sum / share;
    });
  }

  // The format of an axis whose values are all the same, or very near: Vega would round the labels.
  function setFormat(axis, values) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) if (value !== null) [low, high] = [Math.min(low, value), Math.max(high, value)];
    if (low === high && low % 1) axis.format = ".7~g";
    else if (high > low && high - low < NARROW) axis.format = `.${Math.min(17, 3 + Math.floor(Math.log10(Math.max(-low, high) / (high - low))))}~g`;
  }

  // What is drawn of a value: nothing if it is too large for an axis, and 0 if it is too near to 0.
  function drawable(value) {
    if (value === null || Math.abs(value) > LARGEST) return null;
    return Math.abs(value) < SMALLEST ? 0 : value;
  }

  // The horizontal axis: the steps, or the times, in a unit that fits the latest.
  function axisOf(curve) {
    if (state.axis === "step") return { title: curve.axis, of: (series) => series.x, means: (series) => series.mx, unit: 1 };
    const latest = curve.series.map((series) => (state.picked.has(series.e) ? series.t.at(-1) : 0));
    const [unit, name] = unitOf(Math.max(...latest));
    const scaled = (times) => times.map((time) => time / unit);
    return { title: `${name} since start`, of: (series) => scaled(series.t), means: (series) => scaled(series.mt), unit };
  }

  // The datasets of a chart, and how many values a log scale has no place for, are beyond an axis, and are taken for 0.
  function rows(curve, axis) {
    const sets = { raw: [], smooth: [], dots: [], gaps: [] };
    const left = { hidden: 0, far: 0, near: 0 };
    for (const series of curve.series) {
      if (!state.picked.has(series.e)) continue;
      const e = String(series.e);
      const xs = axis.of(series);
      const usable = (y) => y !== null && (!state.log || y > 0);
      const ys = series.y.map(drawable);
      ys.forEach((y, i) => {
        const row = { x: xs[i], y: usable(y) ? y : null, e };
        sets.raw.push(row);
        if (y !== null && row.y === null) left.hidden += 1;
        if (y === null && series.y[i] !== null) left.far += 1;
        if (y === 0 && series.y[i] !== 0) left.near += 1;
        if (y === null) sets.gaps.push({ x: xs[i], e });
        else if (ys.length <= MARKED || (!usable(ys[i - 1] ?? null) && !usable(ys[i + 1] ?? null))) sets.dots.push(row);
      });
      if (state.smooth > 0) {
        const [means, at] = series.m ? [series.m, axis.means(series)] : [series.y, xs];
        smoothed(means.map(drawable), state.smooth).forEach((y, i) => sets.smooth.push({ x: at[i], y: usable(y) ? y : null, e }));
      }
    }
    sets.dots = sets.dots.filter((row) => row.y !== null);
    return [sets, left];
  }

  function drawCurve(card, curve) {
    const plot = card.querySelector(".plot");
    plot.draw = async () => {
      const axis = axisOf(curve);
      const [sets, left] = rows(curve, axis);
      const domain = [...state.picked].map(String);
      const spec = structuredClone(page.specs.curves);
      spec.encoding.color.scale = { domain, range: domain.map((e) => state.colours[Number(e)]) };
      spec.encoding.x.axis.title = axis.title;
      const drawn = [...sets.raw, ...sets.smooth];
      setFormat(spec.encoding.x.axis, [...drawn, ...sets.gaps].map((row) => row.x));
      for (const layer of spec.layer) if (layer.encoding?.y?.field) setFormat(layer.encoding.y.axis, drawn.map((row) => row.y));
      if (state.log) spec.layer.forEach((layer) => { if (layer.encoding?.y?.field) layer.encoding.y.scale = { type: "log" }; });
      if (state.smooth > 0) spec.layer[0].mark.opacity = 0.28;
      spec.layer = spec.layer.filter((layer) => sets[layer.data.name].length);
      card.querySelector(".note").textContent = noteOf(curve, left);
      const old = plot.view;
      plot.view = await embed(plot, spec, sets);
      old?.finalize();
      plot.view.addEventListener("mousemove", (event) => readout(card, curve, axis.unit, event));
    };
    sight.observe(plot);
    plots.push(plot);
  }

  function noteOf(curve, left) {
    const shown = curve.series.filter((series) => state.picked.has(series.e));
    const total = shown.reduce((sum, series) => sum + series.n, 0);
    const drawn = shown.reduce((sum, series) => sum + series.y.length, 0);
    const bad = shown.reduce((sum, series) => sum + series.bad, 0);
    const notes = [];
    if (!shown.length) notes.push("none of the picked experiments has it");
    if (shown.some((series) => series.m)) notes.push(`${drawn} of ${total} points: the lowest and the highest of each stretch`);
    if (bad) notes.push(`${bad} not finite (crosses at the bottom)`);
    if (left.far) notes.push(`${left.far} beyond ±${LARGEST} (crosses at the bottom)`);
    if (left.near) notes.push(`${left.near} nearer to 0 than ${SMALLEST} (taken for 0)`);
    if (left.hidden) notes.push(`${left.hidden} not above 0 are not on a log scale`);
    return notes.join("; ");
  }

  // What the curves say at the pointer's place: those nearest to it.
  function readout(card, curve, unit, event) {
    const box = card.querySelector(".readout");
    const view = card.querySelector(".plot").view;
    const [left, top] = [event.offsetX ?? 0, event.offsetY ?? 0];
    const origin = view.origin();
    const x = view.scale("x").invert(left - origin[0]) * unit;
    const y = view.scale("y").invert(top - origin[1]);
    const found = [];
    for (const series of curve.series) {
      if (!state.picked.has(series.e)) continue;
      const xs = state.axis === "step" ? series.x : series.t;
      const i = nearest(xs, x);
      if (i >= 0 && series.y[i] !== null) found.push([series.e, xs[i], series.y[i]]);
    }
    found.sort((a, b) => Math.abs(a[2] - y) - Math.abs(b[2] - y));
    const near = found.slice(0, READOUT).sort((a, b) => b[2] - a[2]);
    box.classList.toggle("on", near.length > 0);
    box.replaceChildren(...near.map(([run, at, value]) => make("div", {}, swatch(run),
      make("span", { class: "name", textContent: runs[run].name }),
      make("span", { textContent: `${number(value)} at ${state.axis === "step" ? number(at) : seconds(at)}` }))));
  }

  // The index of what is nearest to x in numbers that rise (where they do not, of some that is near).
  function nearest(xs, x) {
    let [low, high] = [0, xs.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (xs[middle] < x) low = middle + 1; else high = middle;
    }
    return low > 0 && x - xs[low - 1] < xs[low] - x ? low - 1 : low;
  }

  function layCurves() {
    const drawn = page.curves.filter((curve) => curve.series.some((series) => series.n > 1));
    for (const curve of drawn) {
      const path = pathOf(curve);
      const card = make("div", { class: "card" }, make("h3", {}, make("small", { textContent: path }), titleOf(curve)), make("div", { class: "plot" }),
        make("p", { class: "note" }), make("div", { class: "readout" }));
      cards.set(card, `${path}.${curve.metric}`.toLowerCase());
      $("charts").append(card);
      drawCurve(card, curve);
    }
    const single = page.curves.length - drawn.length;
    const rest = single ? `${single} more with a single value each have no curve; they are in the table.` : "";
    $("curvesNote").textContent = page.curves.length ? rest : "No event of these experiments has a metric.";
  }

  // The metric of a curve, with its unit if it has one.
  const titleOf = (curve) => (curve.unit ? `${curve.metric} (${curve.unit})` : curve.metric);

  // The event of a curve, and its stream if that isn't the default one.
  const pathOf = (curve) => (curve.stream === "log.jsonl" ? curve.event : `${curve.event} (${curve.stream})`);

  const cards = new Map(); // the card of each curve, with its name in lower case
  function searchMetrics() {
    const term = $("metrics").value.toLowerCase();
    for (const [card, name] of cards) card.hidden = !name.includes(term);
  }

  // ---- the table ----

  const OWN = ["experiment", "state", "took"]; // the columns that every table has

  function columns() {
    const all = $("same").checked ? page.params : page.differing;
    const which = $("which").value;
    return [
      { key: "experiment", title: "experiment", get: (run) => run.name, cell: (run, index) => [swatch(index), run.name] },
      { key: "state", title: "state", get: (run) => run.state },
      { key: "took", title: "took", get: (run) => run.seconds, text: (value) => seconds(value) },
      ...all.map((name) => ({ key: `params ${name}`, title: OWN.includes(name) ? `params.${name}` : name, get: (run) => run.params.get(name) })),
      ...page.curves.map((curve) => {
        const values = new Map(curve.series.map((series) => [series.e, series[which]]));
        return { key: JSON.stringify([curve.stream, curve.event, curve.metric, curve.axis, curve.unit]), title: titleOf(curve), under: pathOf(curve), get: (run, index) => values.get(index) };
      }),
    ];
  }

  function compare(a, b) {
    const rank = (value) => (value === null || value === undefined || value === "" ? 2 : typeof value === "number" ? 0 : 1);
    return rank(a) - rank(b) || (typeof a === "number" ? a - b : String(a).localeCompare(String(b)));
  }

  function drawTable() {
    const cols = columns();
    const [head, body] = [document.querySelector("#table thead"), document.querySelector("#table tbody")];
    const shown = runs.map((run, index) => [run, index]).filter(([run, index]) => state.picked.has(index) || run.state === "broken");
    const sort = state.sort && cols.find((column) => column.key === state.sort.key);
    head.replaceChildren(make("tr", {}, ...cols.map((column) => {
      const button = make("button", { type: "button", textContent: column.title });
      const numeric = shown.some(([run, index]) => typeof column.get(run, index) === "number");
      const th = make("th", { scope: "col", title: column.title, class: numeric ? "number" : "" }, button);
      if (column.under) th.append(make("small", { textContent: column.under }));
      if (column === sort) {
        th.ariaSort = state.sort.down ? "descending" : "ascending";
        button.append(state.sort.down ? " ↓" : " ↑");
      }
      button.addEventListener("click", () => {
        state.sort = { key: column.key, down: column === sort && !state.sort.down };
        drawTable();
      });
      return th;
    })));
    if (sort) {
      const direction = state.sort.down ? -1 : 1;
      const empty = (value) => value === null || value === undefined || value === "";
      shown.sort(([a, i], [b, j]) => {
        const [x, y] = [sort.get(a, i), sort.get(b, j)];
        return empty(x) || empty(y) ? compare(x, y) : direction * compare(x, y); // what is missing stays at the end
      });
    }
    body.replaceChildren(...shown.map(([run, index]) => make("tr", {}, ...cols.map((column) => {
      const value = column.get(run, index);
      const text = column.text ? column.text(value) : number(value);
      return make("td", { class: typeof value === "number" ? "number" : "", title: text }, ...(column.cell ? column.cell(run, index) : [text]));
    }))));
  }

  // ---- images ----

  // The series of images, or of histograms and tables, that one choice shows, and the steps at which one of them is.
  function grouped(items) {
    const groups = [];
    for (const item of items) {
      const label = `${item.event} · ${item.key}`;
      let group = groups.find((one) => one.label === label);
      if (!group) groups.push(group = { label, items: [] });
      group.items.push(item);
    }
    for (const group of groups) group.steps = [...new Set(group.items.map((item) => item.step))].sort((a, b) => a - b);
    return groups;
  }

  function choose(groups, series, step, draw) {
    const { steps } = groups[Number($(series).value)];
    $(step).max = String(steps.length - 1);
    $(step).value = $(step).max;
    $(step).disabled = steps.length < 2;
    draw();
  }

  // Of each picked experiment the item of the step, or where it has none the last before.
  function drawLatest(groups, ids, figure) {
    const { items, steps } = groups[Number($(ids.series).value)];
    const at = steps[Number($(ids.step).value)];
    $(ids.at).textContent = number(at);
    const latest = new Map();
    for (const item of items) {
      const old = latest.get(item.e);
      if (state.picked.has(item.e) && item.step <= at && (!old || item.step >= old.step)) latest.set(item.e, item);
    }
    $(ids.gallery).replaceChildren(...[...latest.values()].map((item) => make("figure", {}, figure(item),
      make("figcaption", {}, make("b", { textContent: runs[item.e].name }), make("br"),
        [item.path, `${item.counted ? "number" : "step"} ${number(item.step)}`, item.outside, item.left].filter(Boolean).join(", ")))));
    if (!latest.size) $(ids.gallery).replaceChildren(make("p", { class: "empty", textContent: "None of the picked experiments has one up to this step." }));
  }

  const galleries = grouped(page.images);
  const drawGallery = () => drawLatest(galleries, { series: "series", step: "step", at: "at", gallery: "gallery" },
    (image) => make("img", { src: page.sources[image.source], alt: `${image.path} of ${runs[image.e].name}` }));
  const chooseGallery = () => choose(galleries, "series", "step", drawGallery);

  // ---- histograms and tables ----

  const forms = grouped(page.forms);
  const drawForms = () => drawLatest(forms, { series: "formSeries", step: "formStep", at: "formAt", gallery: "formGallery" },
    (form) => (form.edges ? drawHistogram(form) : drawRows(form)));
  const chooseForms = () => choose(forms, "formSeries", "formStep", drawForms);

  // Buckets have the width of their edges, and an area of their count; one without width is a line.
  function drawHistogram({ e, edges, counts }) {
    const [low, high] = [edges[0] / 2, edges.at(-1) / 2]; // halves, because the difference of two floats may be infinite
    const span = high - low;
    const place = (edge) => (span > 0 ? (100 * (edge / 2 - low)) / span : 0);
    const bars = counts.map((count, at) => {
      const [left, right] = span > 0 ? [place(edges[at]), place(edges[at + 1])] : [0, 100];
      return { left, width: right - left, count, height: Number(count) / Math.max(right - left, 0.5) };
    });
    const most = Math.max(...bars.map((bar) => bar.height), Number.MIN_VALUE);
    const plot = make("div", { class: "bars", role: "img", ariaLabel: `histogram of ${runs[e].name}` }, ...bars.map((bar, at) => {
      const node = make("div", { title: `${number(edges[at])} to ${number(edges[at + 1])}: ${number(bar.count)}` });
      node.style.setProperty("left", `${bar.left}%`);
      node.style.setProperty("width", `${Math.max(bar.width, 0.5)}%`);
      node.style.setProperty("height", `${(100 * bar.height) / most}%`);
      node.style.setProperty("background", state.colours[e]);
      return node;
    }));
    return make("div", {}, plot, make("div", { class: "ends" }, make("span", { textContent: number(edges[0]) }), make("span", { textContent: number(edges.at(-1)) })));
  }

  function drawRows({ columns, rows }) {
    const head = make("tr", {}, ...columns.map((name) => make("th", { scope: "col", textContent: name })));
    const body = rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", { textContent: number(cell), title: number(cell), class: typeof cell === "number" ? "number" : "" }))));
    return make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
  }

  // ---- spans ----

  const spanned = runs.map((run, index) => index).filter((index) => runs[index].spans.length);

  function drawTimeline() {
    const run = runs[spanned[Number($("timelineOf").value)]];
    const names = [...new Set(run.spans.map((span) => span.name))];
    const spec = structuredClone(page.specs.spans);
    spec.height = Math.max(60, names.length * 26 + 30);
    spec.encoding.y.sort = names;
    const latest = Math.max(...run.spans.map((span) => span.end));
    const least = 0.002 * (latest - Math.min(...run.spans.map((span) => span.start))); // or else a short one is not seen
    const [unit, unitName] = unitOf(latest);
    spec.encoding.x.title = `${unitName} since start`;
    const bars = run.spans.map((span) => ({ ...span, state: span.open ? "not finished" : "finished",
      from: span.start / unit, to: Math.max(span.end, span.start + least) / unit }));
    setFormat(spec.encoding.x.axis, bars.flatMap((bar) => [bar.from, bar.to]));
    $("timelineNote").textContent = [`${run.spans.length} spans`, run.spansLeft && `${run.spansLeft} more are left out, the shortest`,
      run.spans.some((span) => span.open) && "a pale bar was never finished: it is drawn up to the last event"].filter(Boolean).join("; ");
    return embed($("timeline"), spec, { spans: bars }).then((view) => {
      $("timeline").view?.finalize();
      $("timeline").view = view;
    });
  }

  // ---- one experiment ----

  function pairs(entries) {
    return make("dl", { class: "pairs" }, ...entries.flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", { textContent: number(value) })]));
  }

  function fold(title, open, ...children) {
    return make("details", { open }, make("summary", { textContent: title }), ...children);
  }

  function drawDetails() {
    const run = runs[Number($("detailsOf").value)];
    const parts = run.problems.map((text) => make("p", { class: "problem", textContent: text }));
    parts.push(pairs(run.facts));
    if (run.params.size) parts.push(fold("Parameters", true, pairs([...run.params])));
    run.environments.forEach((environment, index) => parts.push(
      fold(run.environments.length > 1 ? `Environment of record ${index + 1}` : "Environment", index === 0, pairs(environment.facts)),
      fold(`Packages${run.environments.length > 1 ? ` of record ${index + 1}` : ""} (${environment.packages.length})`, false, pairs(environment.packages))));
    if (run.files.length) {
      const head = make("tr", {}, ...["path", "bytes", "media type", "event", "SHA-256", ""].map((text) => make("th", { textContent: text })));
      const body = run.files.map((row) => make("tr", {}, ...row.map((value, i) => make("td", { textContent: number(value), title: number(value), class: i === 1 ? "number" : "" }))));
      parts.push(fold(`Files (${run.files.length}${run.filesLeft ? ` of ${run.files.length + run.filesLeft}` : ""})`, true,
        make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)))));
    }
    $("detail").replaceChildren(...parts);
  }

  // ---- all together ----

  function changed() {
    const broken = runs.filter((run) => run.state === "broken").length;
    $("picked").textContent = `${state.picked.size} of ${runs.length - broken}`;
    redraw();
    drawTable();
    if (galleries.length) drawGallery();
    if (forms.length) drawForms();
  }

  function recolour() {
    colour();
    listExperiments();
    changed();
  }

  function setTheme(dark) {
    document.documentElement.classList.toggle("dark", dark);
    $("theme").textContent = dark ? "Light" : "Dark";
  }

  function begin() {
    $("title").textContent = page.title;
    $("summary").textContent = page.summary;
    setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
    $("theme").addEventListener("click", () => { setTheme(!document.documentElement.classList.contains("dark")); redraw(); });
    $("picker").open = matchMedia("(min-width: 60.01rem)").matches;

    runs.forEach((run, index) => { if (run.state !== "broken" && state.picked.size < page.picked) state.picked.add(index); });
    choices($("colour"), groupings.map(([label]) => label));
    choices($("detailsOf"), runs.map((run) => run.name));
    choices($("timelineOf"), spanned.map((index) => runs[index].name));
    choices($("series"), galleries.map((gallery) => gallery.label));
    choices($("formSeries"), forms.map((group) => group.label));
    $("images").hidden = !galleries.length;
    $("forms").hidden = !forms.length;
    $("spans").hidden = !spanned.length;
    $("details").hidden = !runs.length;
    const problems = runs.flatMap((run) => run.problems.map((text) => [run.name, text]));
    $("problems").hidden = !problems.length;
    document.querySelector("#problems ul").replaceChildren(...problems.map(([name, text]) => make("li", { class: "problem" }, make("b", { textContent: name }), `: ${text}`)));
    document.querySelector("#about ul").replaceChildren(...page.notes.map((text) => make("li", { textContent: text })));
    for (const section of document.querySelectorAll("main > section")) {
      if (!section.hidden) $("nav").append(make("a", { href: `#${section.id}`, textContent: section.querySelector("h2").textContent }));
    }

    recolour();
    layCurves();
    if (galleries.length) chooseGallery();
    if (forms.length) chooseForms();
    if (spanned.length) {
      $("timeline").draw = drawTimeline;
      plots.push($("timeline"));
      sight.observe($("timeline"));
    }
    if (runs.length) {
      $("detailsOf").value = String(Math.max(0, runs.findIndex((run) => run.state !== "broken")));
      drawDetails();
    }

    $("filter").addEventListener("input", search);
    $("all").addEventListener("click", () => pickShown(true));
    $("none").addEventListener("click", () => pickShown(false));
    $("colour").addEventListener("change", recolour);
    $("axis").addEventListener("change", () => { state.axis = $("axis").value; redraw(); });
    $("log").addEventListener("change", () => { state.log = $("log").checked; redraw(); });
    const redrawSoon = debounce(redraw, 80);
    $("smooth").addEventListener("input", () => { state.smooth = Number($("smooth").value); $("smoothed").textContent = $("smooth").value; redrawSoon(); });
    $("metrics").addEventListener("input", searchMetrics);
    $("which").addEventListener("change", drawTable);
    $("same").addEventListener("change", drawTable);
    $("series").addEventListener("change", chooseGallery);
    $("step").addEventListener("input", drawGallery);
    $("formSeries").addEventListener("change", chooseForms);
    $("formStep").addEventListener("input", drawForms);
    $("timelineOf").addEventListener("change", redraw);
    $("detailsOf").addEventListener("change", drawDetails);
    window.addEventListener("resize", debounce(redraw, 150));
    document.body.dataset.ready = "yes";
  }

  begin();
})();
