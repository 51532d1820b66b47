"use strict";
// What answers a state of a served page: for a sum of two powers at once, computed here, and once the sliders rest by the
// server too, whose answer stands. What is not planned here (limits that contradict each other) only the server answers.
//
// model    as planner.js and engine.js read it, with `targets`, the words of what may be asked for
// state    {target, budget, loss, size, served, cap, price, sigmas, low, high}, see asked_plan.py
const Quick = (() => {
  const REST = 150, CURVE = 24, SAME = 1e-6; // milliseconds; budgets; relative
  const node = typeof require === "function" && typeof module !== "undefined";
  const here = node ? { asked: require("./asked.js"), engine: require("./engine.js"), numbers: require("./numbers.js"), planner: require("./planner.js") } : { asked: Asked, engine: Engine, numbers: Numbers, planner: Planner };

  function flopsOf(model, state) {
    const hours = { dollars: 1 / state.price, gpu_days: 24 }[state.target];
    return hours === undefined ? state.budget : state.budget * hours * model.bill.per_hour;
  }
  // The law's number of what people count.
  function lossOf(model, given) {
    const { exp, scale, offset } = model.response, x = (given - offset) / scale;
    return exp ? Math.log(x) : x;
  }
  function words(model, state) {
    const { format } = here.numbers;
    if (state.target === "loss") return `${model.response.name} ${format(state.loss, 4, false)}`;
    return state.target === "size" ? `N ${format(state.size)}, ${format(state.budget)} FLOPs` : `${format(state.budget)} ${model.targets[state.target]}`;
  }

  // Answers to states of one model; what stays the same from move to move is kept.
  function answering(model) {
    let law = null, curve = null;
    const kept = (old, key, make) => (old?.key === key ? old : { key, value: make() });
    return state => {
      const { target } = state, [low, high] = [state.low ?? model.curve[0], state.high ?? model.curve[1]];
      law = kept(law, state.sigmas ?? 0, () => here.engine.lawOf(model, state));
      const cost = { product: 6, served: 2 * Math.max(state.served ?? 0, 1) }, cap = state.cap ? { value: state.cap, name: "D_max" } : null;
      const at = C => here.engine.possible(model, target === "size" ? here.asked.size(law.value, state.size, C, cost, cap) : here.planner.answer(law.value, C, cost, cap ? { D_max: cap } : {}));
      const C = target === "loss" ? null : flopsOf(model, state);
      const found = C === null ? here.engine.possible(model, here.asked.reach(law.value, lossOf(model, state.loss), cost, cap)) : at(C);
      if (found.status !== "ok") return null;
      const spent = found.N * (cost.product * found.D + cost.served);
      curve = kept(curve, JSON.stringify([target === "size" ? state.size : 0, cost.served, state.cap, state.sigmas, low, high]), () => here.engine.curveOf(at, low, high, CURVE));
      return {
        ...found, note: "", spent, budget: C ?? spent, curve: curve.value,
        bill: (spent / model.bill.per_hour) * state.price, asked: words(model, state),
      };
    };
  }
  const close = (a, b) => a === b || (a == null && b == null) || Math.abs(a / b - 1) < SAME || (Number.isNaN(a) && b == null);
  function same(a, b) {
    const ends = name => [0, 1].every(k => close(a.bands[name]?.[k], b.bands[name]?.[k]));
    return a.status === b.status && ["N", "D", "loss", "spent"].every(name => close(a[name], b[name])) && ["N", "D", "loss"].every(ends) && `${a.binding}` === `${b.binding}`;
  }

  // state, later -> promise of an answer; later(answer) brings the server's, where it is another than the one given.
  function engine(model, ask) {
    const answer = answering(model);
    let resting = 0;
    return async (state, later) => {
      clearTimeout(resting);
      const quick = answer(state);
      if (quick === null) return ask(state);
      if (later) resting = setTimeout(async () => {
        try { const found = await ask(state); if (found) later(found, same(quick, found)); } catch (error) { later(null, false, error); }
      }, REST);
      return quick;
    };
  }
  return { answering, engine };
})();
if (typeof module !== "undefined") module.exports = Quick;
