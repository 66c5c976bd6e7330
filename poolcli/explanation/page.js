"use strict";
// Draws the maps, and for the chosen cell its window in every earlier map. The value of the cell is computed again here,
// from the map before it, and compared with the value in the data.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const round = Math.fround;

  // ---- the maps: index 0 is the input, index i the result of stage i - 1 ---------------------------------------
  const TYPES = { u1: Uint8Array, u2: Uint16Array, i2: Int16Array, i4: Int32Array, f4: Float32Array };
  const decode = (text, type) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return new TYPES[type](bytes.buffer);
  };
  const decoded = (channel) => {
    const found = [];
    channel.maps.forEach((one, i) => {
      let values;
      if (one.data === null) values = found[i - 1].values.map((v) => Math.max(0, v)); // ReLU
      else values = Float32Array.from(decode(one.data, one.type), (v) => round(round(v) * round(one.scale)));
      found.push({ ...one, values, at: (r, c) => values[r * one.width + c] });
    });
    return found;
  };
  const channels = data.channels.map(decoded); // the maps of each channel; all have the same sizes
  const maps = [...channels[0]];
  let channel = 0; // which of them is shown
  const stages = data.stages;

  const { places, cellAt, readers, span, plain, listed, total, KINDS, counted } = arithmetic;

  const cell = (s, r, c) => {
    const stage = stages[s], before = maps[s], result = maps[s + 1].at(r, c);
    const rows = places(stage.rows, r), cols = places(stage.cols, c);
    const held = [], weights = [], at = [];
    let missing = 0;
    rows.forEach((place, i) => cols.forEach((other, j) => {
      const row = cellAt(stage.rows, place), col = cellAt(stage.cols, other);
      if (row === null || col === null) return;
      if (Number.isNaN(before.at(row, col)) && stage.operation !== "relu") { missing++; return; }
      held.push(before.at(row, col));
      at.push([row, col]);
      if (stage.weights) weights.push(stage.weights[i][j]);
    }));
    const divisor = stage.counted ? counted(stage.rows, r) * counted(stage.cols, c) - missing : held.length;
    const kind = KINDS[stage.operation];
    let [computed, text] = !held.length
      ? [NaN, "no cell"]
      : kind
      ? kind({ held, weights, divisor, parameters: stage.parameters, place: [channel, r, c] })
      : [null, `${stage.operation}(${listed(held)})`];
    if (missing && held.length && stage.weights) {
      computed /= total(weights);
      text = `(${text}) / ${plain(total(weights))}`;
    }
    const size = total(held.map((v, i) => Math.abs(v) * (stage.weights ? Math.abs(weights[i]) : 1)));
    const matches = computed === null ? null : Number.isNaN(computed) ? Number.isNaN(result) : Math.abs(computed - result) <= 4e-6 * Math.max(size, Math.abs(result)) + 1e-30;
    let winner = null, ties = 0;
    if (stage.chooses) {
      const equal = stage.operation === "subsample" ? [0] : held.map((v, i) => (v === result ? i : -1)).filter((i) => i >= 0);
      ties = equal.length;
      winner = ties ? at[equal[0]] : null;
    }
    return { rows: span(rows), cols: span(cols), placesOf: [rows, cols], held, result, computed, matches, winner, ties, text, missing, padded: rows.length * cols.length - held.length - missing };
  };

  // ---- the chosen cell -----------------------------------------------------------------------------------------
  let chosen = { map: maps.length - 1, r: 0, c: 0 }, pinned = false, timer = null, scale = "shared";
  const clamp = (v, n) => Math.min(Math.max(v, 0), n - 1);

  // Outlines: the window in every earlier map, and the cells of later maps whose windows contain the chosen cell.
  const outlines = () => {
    const found = maps.map(() => []);
    let rows = [chosen.r, chosen.r], cols = [chosen.c, chosen.c];
    found[chosen.map].push({ rows, cols, color: "#d55e00" });
    for (let m = chosen.map; m > 0; m--) {
      const stage = stages[m - 1];
      rows = [places(stage.rows, rows[0])[0], places(stage.rows, rows[1]).at(-1)];
      cols = [places(stage.cols, cols[0])[0], places(stage.cols, cols[1]).at(-1)];
      found[m - 1].push({ rows, cols, color: "#d55e00" });
      rows = rows.map((v) => clamp(v, maps[m - 1].height));
      cols = cols.map((v) => clamp(v, maps[m - 1].width));
    }
    rows = [chosen.r];
    cols = [chosen.c];
    for (let m = chosen.map; m < stages.length && rows.length && cols.length; m++) {
      rows = readers(stages[m].rows, rows[0], rows.at(-1));
      cols = readers(stages[m].cols, cols[0], cols.at(-1));
      if (rows.length && cols.length) found[m + 1].push({ rows: span(rows), cols: span(cols), color: "#0072b2" });
    }
    return found;
  };

  // ---- colours -------------------------------------------------------------------------------------------------
  const PALETTES = {
    gray: [[0, 0, 0], [255, 255, 255]],
    magma: [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97], [254, 194, 135], [252, 253, 191]],
    signed: [[5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247], [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31]],
  };
  const extremes = (map) => map.values.reduce((e, v) => (Number.isFinite(v) ? [Math.min(e[0], v), Math.max(e[1], v)] : e), [Infinity, -Infinity]).map((v) => (Number.isFinite(v) ? v : 0));
  channels.flat().forEach((map) => { map.extremes = extremes(map); });
  const largest = Math.max(...channels.flatMap((all) => all.slice(1)).flatMap((m) => m.extremes.map(Math.abs)), 1e-30);
  const scaleOf = (map, i) => {
    const [low, high] = map.extremes, own = Math.max(-low, high, 1e-30);
    const limit = scale === "unit" ? data.white : scale === "each" || i === 0 ? (i === 0 ? Math.max(own, data.white) : own) : largest;
    return low < 0 ? ["signed", -limit, limit] : [i === 0 ? "gray" : "magma", 0, limit];
  };
  const colorOf = ([name, low, high], v) => {
    if (Number.isNaN(v)) return [150, 190, 160]; // a missing cell
    const stops = PALETTES[name], t = Math.min(Math.max((v - low) / (high - low), 0), 1) * (stops.length - 1);
    const i = Math.min(Math.floor(t), stops.length - 2);
    return stops[i].map((a, k) => Math.round(a + (t - i) * (stops[i + 1][k] - a)));
  };

  // Black or white, whichever has more contrast (WCAG 2.2).
  const textColorOn = (rgb) => {
    const linear = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    return (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) ? "#000" : "#fff";
  };

  // ---- drawing -------------------------------------------------------------------------------------------------
  const SIDE = maps.length > 3 ? 288 : 384;
  const ring = Math.max(0, ...stages.flatMap((s) => s.rings.map(([a, b]) => a + b)));
  const views = maps.map((map, i) => {
    const box = document.createElement("section");
    box.className = "map";
    const pads = i < stages.length ? stages[i].rings : [[0, 0], [0, 0]];
    const [[top, bottom], [left, right]] = pads;
    const rows = map.height + top + bottom, cols = map.width + left + right;
    const side = Math.max(2, Math.min(56, Math.floor(SIDE / (Math.max(map.height, map.width) + ring))));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(cols * side, 1);
    canvas.height = Math.max(rows * side, 1);
    box.style.width = `${Math.max(canvas.width, 240)}px`; // wraps the lines under the map to its width
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", `${map.title}, ${map.height} rows by ${map.width} columns; arrow keys move`);
    const add = (tag, text, name) => {
      const one = document.createElement(tag);
      one.textContent = text;
      if (name) one.className = name;
      box.append(one);
      return one;
    };
    add("h2", map.title);
    const caption = add("p", "", "quiet");
    box.append(canvas);
    if (i > 0) {
      const stage = stages[i - 1];
      add("p", stage.geometry, "quiet");
      add("p", stage.formula[0] === stage.formula[1] ? `size: ${stage.formula[0]}` : `rows: ${stage.formula[0]}; columns: ${stage.formula[1]}`, "quiet");
      for (const line of stage.unread) add("p", line, "quiet");
      for (const line of [`PyTorch: ${stage.pytorch}`, `Keras: ${stage.keras}`]) add("code", line).style.display = "block";
    }
    byId("maps").append(box);
    return { map, canvas, side, top, left, caption, base: null };
  });

  const paintBase = (view, i) => {
    const { side, canvas, top, left } = view, map = maps[i];
    const colors = scaleOf(map, i);
    const base = document.createElement("canvas");
    base.width = canvas.width;
    base.height = canvas.height;
    const pen = base.getContext("2d");
    pen.fillStyle = "#f2f2f2";
    pen.fillRect(0, 0, base.width, base.height);
    pen.font = `${Math.floor(side / 3.2)}px sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let r = 0; r < map.height; r++) {
      for (let c = 0; c < map.width; c++) {
        const v = map.at(r, c), rgb = colorOf(colors, v), x = (c + left) * side, y = (r + top) * side;
        pen.fillStyle = `rgb(${rgb})`;
        pen.fillRect(x, y, side, side);
        if (side < 24) continue;
        pen.fillStyle = textColorOn(rgb);
        pen.fillText(Number.isInteger(v) ? plain(v) : (v.toFixed(2) === "-0.00" ? "0.00" : v.toFixed(2)), x + side / 2, y + side / 2, side - 4);
      }
    }
    view.caption.textContent = `${map.height}x${map.width} · colours from ${plain(colors[1])} to ${plain(colors[2])}`;
    view.base = base;
  };

  const frame = (view, o, pen) => {
    const x = (o.cols[0] + view.left) * view.side, y = (o.rows[0] + view.top) * view.side;
    const w = (o.cols[1] - o.cols[0] + 1) * view.side, h = (o.rows[1] - o.rows[0] + 1) * view.side;
    const thick = view.side >= 12 ? 3 : 2;
    pen.strokeStyle = "#fff";
    pen.lineWidth = thick + 2;
    pen.strokeRect(x, y, w, h);
    pen.strokeStyle = o.color;
    pen.lineWidth = thick;
    pen.strokeRect(x, y, w, h);
  };

  const draw = () => {
    const found = outlines();
    const shown = chosen.map > 0 ? cell(chosen.map - 1, chosen.r, chosen.c) : null;
    views.forEach((view, i) => {
      if (!view.base) paintBase(view, i);
      const pen = view.canvas.getContext("2d");
      pen.drawImage(view.base, 0, 0);
      found[i].forEach((o) => frame(view, o, pen));
      if (shown && i === chosen.map - 1 && shown.winner) {
        const [r, c] = shown.winner, inset = Math.floor(view.side / 4);
        pen.fillStyle = "#56b4e9";
        pen.strokeStyle = "#000";
        pen.lineWidth = 1;
        pen.beginPath();
        pen.arc((c + view.left + 1) * view.side - inset, (r + view.top) * view.side + inset, Math.max(1.5, view.side / 8), 0, 7);
        pen.fill();
        pen.stroke();
      }
    });
    tell(shown, found);
  };

  const tell = (shown, found) => {
    const map = maps[chosen.map], lines = [];
    if (!shown) {
      lines.push(`Input [${chosen.r},${chosen.c}] = ${plain(map.at(chosen.r, chosen.c))}`);
      found.slice(1).forEach((list, i) => list.forEach((o) => {
        const count = (o.rows[1] - o.rows[0] + 1) * (o.cols[1] - o.cols[0] + 1);
        lines.push(`${count} ${count === 1 ? "cell" : "cells"} of ${maps[i + 1].title} read it: rows ${o.rows.join(" to ")}, columns ${o.cols.join(" to ")}`);
      }));
      if (lines.length === 1) lines.push("no window reads it");
    } else {
      const stage = stages[chosen.map - 1];
      const what = stage.weights ? (stage.rows.mode === "zeros" ? "zeros" : "repeated cells") : stage.counted ? "counted as 0" : "not counted";
      lines.push(`${map.title} [${chosen.r},${chosen.c}] = ${shown.text} = ${plain(shown.result)}`);
      const all = shown.padded + shown.missing + shown.held.length;
      if (shown.padded) lines.push(`${shown.padded} of ${all} cells are padding, ${what}`);
      if (shown.missing) lines.push(`${shown.missing} of ${all} cells are missing, left out`);
      if (shown.winner) lines.push(`from [${shown.winner}]${shown.ties > 1 ? `, tie: ${shown.ties} cells` : ""}`);
      lines.push(`reads rows ${shown.rows.join(" to ")}, columns ${shown.cols.join(" to ")} of ${maps[chosen.map - 1].title}`);
    }
    const box = byId("status");
    box.replaceChildren(...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
    if (shown) {
      const word = document.createElement("p");
      word.id = "matches";
      word.textContent = shown.matches === null ? "not computed again: the page does not know this kind"
        : shown.matches ? "computed again in this page: matches" : `computed again in this page: differs, ${plain(shown.computed)}`;
      if (shown.matches === false) word.className = "differs";
      box.append(word);
    }
    if (pinned) box.append(Object.assign(document.createElement("p"), { textContent: "pinned; Escape releases it" }));
  };

  const choose = (map, r, c) => {
    chosen = { map, r: clamp(r, maps[map].height), c: clamp(c, maps[map].width) };
    draw();
  };

  // ---- mouse and keys ------------------------------------------------------------------------------------------
  views.forEach((view, i) => {
    const where = (event) => {
      const box = view.canvas.getBoundingClientRect(), k = view.canvas.width / box.width / view.side;
      return [Math.floor((event.clientY - box.top) * k) - view.top, Math.floor((event.clientX - box.left) * k) - view.left];
    };
    view.canvas.addEventListener("pointermove", (event) => { if (!pinned) { stop(); choose(i, ...where(event)); } });
    view.canvas.addEventListener("click", (event) => {
      stop();
      pinned = true;
      choose(i, ...where(event));
    });
    view.canvas.addEventListener("focus", () => { if (!pinned && chosen.map !== i && !timer) choose(i, 0, 0); });
    view.canvas.addEventListener("keydown", (event) => {
      const at = chosen.map === i ? chosen : { r: 0, c: 0 };
      const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -1e9], End: [0, 1e9], PageUp: [-1e9, 0], PageDown: [1e9, 0] };
      if (event.key in steps) {
        stop();
        choose(i, at.r + steps[event.key][0], at.c + steps[event.key][1]);
      } else if (event.key === "Enter" || event.key === " ") {
        pinned = !pinned;
        draw();
      } else return;
      event.preventDefault();
    });
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") { pinned = false; draw(); } });

  const play = byId("play");
  const stop = () => {
    if (timer) clearInterval(timer);
    timer = null;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  };
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  play.addEventListener("click", () => {
    if (timer) return stop();
    pinned = false;
    if (chosen.map === 0) choose(maps.length - 1, 0, 0);
    byId("status").setAttribute("aria-live", "off"); // a screen reader cannot follow a line every quarter of a second
    timer = setInterval(() => {
      const map = maps[chosen.map], next = chosen.r * map.width + chosen.c + 1;
      if (next >= map.height * map.width && calm.matches) return stop();
      const at = next % (map.height * map.width);
      choose(chosen.map, Math.floor(at / map.width), at % map.width);
    }, calm.matches ? 1000 : 250);
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
  });
  play.addEventListener("blur", () => byId("status").setAttribute("aria-live", "polite"));
  byId("scale").addEventListener("change", (event) => {
    scale = event.target.value;
    views.forEach((view) => { view.base = null; });
    draw();
  });

  // ---- channels ------------------------------------------------------------------------------------------------
  if (channels.length > 1) {
    const select = byId("channel");
    byId("channels").hidden = false;
    select.append(...data.channels.map((one, i) => new Option(one.name, i)));
    select.addEventListener("change", () => {
      channel = Number(select.value);
      maps.splice(0, maps.length, ...channels[channel]);
      views.forEach((view) => { view.base = null; });
      draw();
      checkAll();
    });
  }

  // ---- every cell computed again -------------------------------------------------------------------------------
  const checkAll = () => {
    let cells = 0, wrong = 0, skipped = 0;
    stages.forEach((stage, s) => {
      if (maps[s + 1].values.length > 20000) { skipped++; return; }
      for (let r = 0; r < maps[s + 1].height; r++) for (let c = 0; c < maps[s + 1].width; c++) {
        const one = cell(s, r, c);
        if (one.matches === null) continue;
        cells++;
        if (!one.matches) wrong++;
      }
    });
    byId("check").textContent = `${cells} cells computed again in this page: ${wrong ? `${wrong} differ` : "all match"}${skipped ? `; ${skipped} large maps left out` : ""}`;
  };

  choose(maps.length - 1, data.window[0], data.window[1]);
  if (data.pinned) { pinned = true; draw(); }
  setTimeout(checkAll, 0);
  window.poolcli = { cell, maps, stages, choose, chosen: () => ({ ...chosen, pinned }), views, outlines };
})();
