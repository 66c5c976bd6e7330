"use strict";
// The cells that a window reads, and the result that each kind of pooling computes from them.
const arithmetic = (() => {
  // ---- windows -------------------------------------------------------------------------------------------------
  const places = (axis, o) => {
    if (axis.adaptive) {
      const first = Math.floor((o * axis.length) / axis.out);
      const end = Math.ceil(((o + 1) * axis.length) / axis.out);
      return Array.from({ length: end - first }, (_, i) => first + i);
    }
    return Array.from({ length: axis.size }, (_, i) => o * axis.stride - axis.before + i * axis.dilation);
  };
  const cellAt = (axis, place) => {
    const n = axis.length;
    if (place >= 0 && place < n) return place;
    if (axis.mode === "replicate") return Math.min(Math.max(place, 0), n - 1);
    if (axis.mode === "reflect") {
      const period = Math.max(2 * (n - 1), 1);
      const folded = ((place % period) + period) % period;
      return n > 1 ? Math.min(folded, period - folded) : 0;
    }
    return null;
  };
  const readers = (axis, low, high) => {
    const found = [];
    for (let o = 0; o < axis.out; o++) {
      if (places(axis, o).some((p) => { const c = cellAt(axis, p); return c !== null && c >= low && c <= high; })) found.push(o);
    }
    return found;
  };
  const span = (list) => [list[0], list[list.length - 1]];

  // ---- arithmetic ----------------------------------------------------------------------------------------------
  const plain = (v) => {
    if (Number.isNaN(v)) return "nan";
    if (Number.isInteger(v)) return String(v === 0 ? 0 : v);
    const short = String(Number(v.toPrecision(7)));
    if (short.replace("-", "").length <= 7) return short;
    return Math.abs(v) >= 1e-3 && Math.abs(v) < 1e6 ? String(Number(v.toFixed(4))) : v.toPrecision(4);
  };
  const cut = (list) => (list.length > 25 ? [...list.slice(0, 12), "…", ...list.slice(-12)] : list);
  const listed = (list) => cut(list.map(plain)).join(", ");
  const added = (terms) => cut(terms).join(" + ").replaceAll("+ -", "- ");
  const total = (list) => list.reduce((a, b) => a + b, 0);
  const squares = (list) => added(list.map((v) => (v < 0 ? `(${plain(v)})²` : `${plain(v)}²`)));
  const ordered = (list) => [...list].sort((a, b) => a - b);
  const quantile = (list, q) => {
    const s = ordered(list), at = (q / 100) * (s.length - 1), i = Math.floor(at);
    return i + 1 < s.length ? s[i] + (at - i) * (s[i + 1] - s[i]) : s[i];
  };
  const modeOf = (list) => {
    const counts = new Map();
    ordered(list).forEach((v) => counts.set(v, (counts.get(v) || 0) + 1));
    return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best))[0];
  };
  const deviation = (list) => { const m = total(list) / list.length; return Math.sqrt(total(list.map((v) => (v - m) ** 2)) / list.length); };
  const factor = (v) => (v < 0 ? `(${plain(v)})` : plain(v));
  const number = (v) => (v === "inf" ? Infinity : v);
  const powered = (terms, by) => terms.map((v) => (by === 1 ? plain(v) : `${plain(v)}^${plain(by)}`));
  const mean = (list) => total(list) / list.length;
  // One step of SplitMix64, and the share of a window that it draws: see stochastic.py.
  const whole = (v) => BigInt.asUintN(64, v);
  const mixed = (state) => {
    let z = whole(state + 0x9e3779b97f4a7c15n);
    z = whole((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = whole((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  };
  const share = (seed, place) => Number(place.reduce((state, n) => mixed(state + BigInt(n)), mixed(BigInt(seed))) >> 12n) / 2 ** 52;
  const drawn = (held, at) => {
    const weights = held.map((v) => Math.max(v, 0)), goal = at * total(weights);
    let sum = 0;
    return held[weights.findIndex((v) => (sum += v) > goal)];
  };
  // Kind -> function of a window, giving [result, arithmetic]. The page shows other kinds without computing them again.
  const KINDS = {
    relu: (w) => [Math.max(0, w.held[0]), `max(0, ${plain(w.held[0])})`],
    conv2d: (w) => [
      total(w.held.map((v, i) => v * w.weights[i])),
      added(w.held.map((v, i) => [w.weights[i], v]).filter((p) => p[0]).map((p) => `${plain(p[0])}·${p[1] < 0 ? `(${plain(p[1])})` : plain(p[1])}`)) || "0",
    ],
    max: (w) => [Math.max(...w.held), `max(${listed(w.held)})`],
    min: (w) => [Math.min(...w.held), `min(${listed(w.held)})`],
    average: (w) => {
      const zeros = new Array(w.divisor - w.held.length).fill(0);
      return [total(w.held) / w.divisor, `(${added([...w.held, ...zeros].map(plain))}) / ${w.divisor}`];
    },
    sum: (w) => [total(w.held), added(w.held.map(plain))],
    median: (w) => [quantile(w.held, 50), `median(${listed(w.held)})`],
    percentile: (w) => [quantile(w.held, w.parameters.q), `percentile ${w.parameters.q} of (${listed(w.held)})`],
    mode: (w) => [modeOf(w.held), `most frequent of (${listed(w.held)})`],
    range: (w) => [Math.max(...w.held) - Math.min(...w.held), `max(${listed(w.held)}) - min(…)`],
    std: (w) => [deviation(w.held), `standard deviation of (${listed(w.held)})`],
    rms: (w) => [Math.sqrt(total(w.held.map((v) => v * v)) / w.held.length), `sqrt((${squares(w.held)}) / ${w.held.length})`],
    subsample: (w) => [w.held[0], `first of (${listed(w.held)})`],
    gem: (w) => {
      const p = number(w.parameters.p), held = w.held.map((v) => Math.max(v, 1e-6)), top = Math.max(...held);
      if (p === Infinity) return [top, `max(${listed(held)})`];
      const sum = `(${added(powered(held, p))}) / ${held.length}`;
      return [top * mean(held.map((v) => (v / top) ** p)) ** (1 / p), p === 1 ? sum : `(${sum})^(1/${plain(p)})`];
    },
    lse: (w) => {
      const r = number(w.parameters.r), top = Math.max(...w.held);
      if (r === Infinity) return [top, `max(${listed(w.held)})`];
      const sum = cut(w.held.map((v) => `exp(${r === 1 ? plain(v) : `${plain(r)}·${factor(v)}`})`)).join(" + ");
      return [top + Math.log(mean(w.held.map((v) => Math.exp(r * (v - top))))) / r, `log((${sum}) / ${w.held.length})${r === 1 ? "" : ` / ${plain(r)}`}`];
    },
    soft: (w) => {
      const top = Math.max(...w.held), weights = w.held.map((v) => Math.exp(v - top)), words = w.held.map((v) => `exp(${plain(v)})`);
      const text = words.length > 4 ? `sum(x·exp(x)) / sum(exp(x)) of (${listed(w.held)})`
        : `(${added(w.held.map((v, i) => `${plain(v)}·${words[i]}`))}) / (${words.join(" + ")})`;
      return [total(w.held.map((v, i) => v * weights[i])) / total(weights), text];
    },
    mixed: (w) => {
      const { alpha } = w.parameters, average = `(${added(w.held.map(plain))}) / ${w.held.length}`;
      return [alpha * Math.max(...w.held) + (1 - alpha) * mean(w.held), `${plain(alpha)}·max(${listed(w.held)}) + ${plain(1 - alpha)}·${average}`];
    },
    stochastic: (w) => {
      const sum = total(w.held.map((v) => Math.max(v, 0)));
      if (sum === 0) return [Math.max(...w.held), `none of (${listed(w.held)}) is positive: the largest,`];
      const one = drawn(w.held, share(w.parameters.seed, w.place));
      return [one, `drawn from (${listed(w.held)}), probability ${plain(one)}/${plain(sum)},`];
    },
    lp: (w) => {
      const p = w.parameters.p === "inf" ? Infinity : w.parameters.p, sizes = w.held.map(Math.abs);
      if (p === Infinity) return [Math.max(...sizes), `max(${listed(sizes)})`];
      return [total(sizes.map((v) => v ** p)) ** (1 / p), p === 2 ? `sqrt(${squares(w.held)})` : `(${added(sizes.map((v) => `${plain(v)}^${p}`))})^(1/${p})`];
    },
  };
  const counted = (axis, o) => places(axis, o).filter((p) => p < axis.length + axis.after).length;

  return { places, cellAt, readers, span, plain, cut, listed, added, total, squares, ordered, quantile, modeOf, deviation, KINDS, counted };
})();
