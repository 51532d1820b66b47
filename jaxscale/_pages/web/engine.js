"use strict";
// What answers a state of the sliders with a plan: state -> promise of an answer. This one computes in the page; one that
// asks a server has the same face.
//
// state    {budget, served, cap, price, sigmas}; null where there is no such slider, or nothing is set
// answer   {status, N, D, loss, ratio, spent, bill, binding, bands: {N: [low, high], ...}, curve: {budget, N, N_lo, ...}}
const Engine = (() => {
  const CURVE = 33, CURVE_DRAWS = 200, NAMES = ["N", "D", "loss"];
  const here = typeof require === "function" && typeof module !== "undefined" ? { planner: require("./planner.js"), grid: require("./grid.js") } : { planner: Planner, grid: Grid };

  function costOf(model, state) {
    const c = model.cost, scale = c.price ? state.price / c.price : 1;
    return { product: c.product * scale, served: (c.served + c.per_token * (state.served ?? 0)) * scale };
  }
  function limitsOf(model, state) {
    const limits = { ...model.limits };
    if (state.cap && !(limits.D_max?.value <= state.cap)) limits.D_max = { value: state.cap, name: "D_max" };
    return limits;
  }
  // The model with its exponent moved by so many standard errors.
  function lawOf(model, state) {
    const j = model.moves[0]?.index, sigmas = state.sigmas ?? 0;
    return sigmas ? here.planner.moved(model, j, model.theta[j] + sigmas * Math.sqrt(model.covariance[j][j])) : model;
  }
  // What lies beyond sizes and tokens that can be is no plan.
  function possible(model, found) {
    const ends = model.possible, none = { ...found, status: "failed", N: NaN, D: NaN, loss: NaN, ratio: NaN, bands: {} };
    return ends && !(found.N <= ends.N && found.D >= ends.D) ? none : found;
  }
  // One plan at a budget, and as many as make a curve.
  function planner(model, state) {
    if (model.kind === "grid") {
      const scale = model.cost.price ? model.cost.price / state.price : 1; // as much for less money
      return C => here.grid.answer(model.grid, C * scale, state.served);
    }
    const law = lawOf(model, state), cost = costOf(model, state), limits = limitsOf(model, state);
    return (C, most) => possible(model, here.planner.answer(law, C, cost, limits, most));
  }
  function answer(model, state) {
    const at = planner(model, state), found = at(state.budget), cost = costOf(model, state);
    const spent = found.N * (cost.product * found.D + cost.served);
    return { ...found, spent, bill: model.bill ? (spent / model.bill.per_hour) * state.price : NaN, curve: curveOf(C => at(C, CURVE_DRAWS), ...model.curve, CURVE) };
  }
  function curveOf(at, from, to, count) {
    const curve = { budget: [] };
    for (const name of NAMES) for (const end of ["", "_lo", "_hi"]) curve[name + end] = [];
    for (let i = 0; i < count; i++) {
      const C = from * (to / from) ** (i / (count - 1)), p = at(C);
      curve.budget.push(C);
      for (const name of NAMES) {
        const [low, high] = p.bands[name] ?? [NaN, NaN];
        curve[name].push(p[name]); curve[`${name}_lo`].push(low); curve[`${name}_hi`].push(high);
      }
    }
    return curve;
  }
  return { answer, curveOf, lawOf, possible, local: model => state => Promise.resolve(answer(model, state)) };
})();
if (typeof module !== "undefined") module.exports = Engine;
