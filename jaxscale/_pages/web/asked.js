"use strict";
// The other questions of a page, for the same sums of powers as planner.js and under the same cost: the cheapest way to a
// loss, and the tokens that a budget buys for a size that is held. Only a cap on tokens may limit them.
const Asked = (() => {
  const planner = typeof require === "function" && typeof module !== "undefined" ? require("./planner.js") : Planner;
  const none = { status: "failed", N: NaN, D: NaN, loss: NaN, binding: [], moves: false };
  const lossAt = (t, N, D) => Math.exp(t.e) + Math.exp(t.a - t.alpha * Math.log(N)) + Math.exp(t.b - t.beta * Math.log(D));

  // With u = B D^-beta of what the loss leaves above E, the rest is N's: the cost is least where
  // beta u / (alpha (rest - u)) is the share of training in it. Its log falls and bends one way in log D: Newton's method.
  function reached(t, target, cost, cap) {
    const rest = target - Math.exp(t.e);
    if (!(t.alpha > 0 && t.beta > 0 && Number.isFinite(t.a + t.b) && rest > 0)) return none;
    let y = (t.b - Math.log((rest * t.alpha) / (t.alpha + t.beta))) / t.beta; // where nothing is served
    for (let i = 0; i < 80 && cost.served > 0; i++) {
      const u = Math.exp(t.b - t.beta * y), share = cost.served / (cost.product * Math.exp(y) + cost.served);
      const step = (Math.log(t.beta / t.alpha) + Math.log(u / (rest - u)) - Math.log(1 - share)) / (t.beta + (t.beta * u) / (rest - u) + share);
      y += step;
      if (Math.abs(step) < 1e-14 * (1 + Math.abs(y))) break;
    }
    const held = cap && Math.exp(y) > cap.value, D = held ? cap.value : Math.exp(y), left = rest - Math.exp(t.b - t.beta * Math.log(D));
    if (!(left > 0)) return none;
    return { status: "ok", N: Math.exp((t.a - Math.log(left)) / t.alpha), D, loss: target, binding: held ? [cap.name] : [], moves: false };
  }
  function ofSize(t, N, C, cost, cap) {
    const most = (C / N - cost.served) / cost.product, held = cap && most > cap.value, D = held ? cap.value : most;
    return D > 0 ? { status: "ok", N, D, loss: lossAt(t, N, D), binding: [held ? cap.name : "budget"], moves: false } : none;
  }

  // As `Planner.answer`, of models with draws; what is asked for has no band.
  function banded(model, planned, given) {
    const found = planner.banded(model, planned, Infinity, () => ({}));
    delete found.bands[given];
    return found;
  }
  const reach = (model, target, cost, cap) => banded(model, t => reached(t, target, cost, cap), "loss");
  const size = (model, N, C, cost, cap) => banded(model, t => ofSize(t, N, C, cost, cap), "N");
  return { reach, size };
})();
if (typeof module !== "undefined") module.exports = Asked;
