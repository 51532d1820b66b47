"use strict";
// Plans between those that Python made on a grid over log budget (and log tokens served), by cubic interpolation of
// what is stored: logs of N and D, the response, and their ends. `grid.axes` are {first, step, count} in natural logs.
const Grid = (() => {
  // Four neighbours' weights at a place between nodes i and i + 1 (Catmull-Rom; at an end the curve goes on as it came).
  function weights(axis, value) {
    const place = (value - axis.first) / axis.step;
    if (!(place >= -1e-9 && place <= axis.count - 1 + 1e-9)) return null;
    const i = Math.min(Math.max(Math.floor(place), 0), axis.count - 2), t = place - i;
    const four = [((-t + 2) * t - 1) * t / 2, ((3 * t - 5) * t * t + 2) / 2, ((-3 * t + 4) * t + 1) * t / 2, (t - 1) * t * t / 2];
    const at = [i - 1, i, i + 1, i + 2], into = new Map();
    const add = (k, w) => into.set(k, (into.get(k) ?? 0) + w);
    at.forEach((k, m) => {
      if (k < 0) [3, -3, 1].forEach((c, j) => add(j, c * four[m]));
      else if (k >= axis.count) [3, -3, 1].forEach((c, j) => add(axis.count - 1 - j, c * four[m]));
      else add(k, four[m]);
    });
    return [...into];
  }
  function at(grid, name, places) {
    let sum = 0;
    const [first, second] = places;
    for (const [i, w] of first) for (const [j, v] of second ?? [[0, 1]]) sum += w * v * (grid.values[name][i][j] ?? NaN);
    return sum;
  }
  function answer(grid, budget, served) {
    const places = [weights(grid.axes[0], Math.log(budget)), ...(grid.axes[1] ? [weights(grid.axes[1], Math.log(served))] : [])];
    const none = { status: "outside", N: NaN, D: NaN, loss: NaN, ratio: NaN, binding: [], bands: {} };
    if (places.includes(null)) return none;
    const read = name => (grid.values[name] ? at(grid, name, places) : NaN);
    const N = Math.exp(read("N")), D = Math.exp(read("D")), loss = read("loss");
    if (!Number.isFinite(N * D * loss)) return { ...none, status: "infeasible" };
    const bands = {};
    for (const name of ["N", "D", "loss", "ratio"]) {
      const ends = [read(`${name}_lo`), read(`${name}_hi`)];
      if (ends.every(Number.isFinite)) bands[name] = name === "loss" ? ends : ends.map(Math.exp);
    }
    return { status: "ok", N, D, loss, ratio: D / N, binding: [], bands };
  }
  return { answer };
})();
if (typeof module !== "undefined") module.exports = Grid;
