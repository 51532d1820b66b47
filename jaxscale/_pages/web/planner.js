"use strict";
// The best N and D of a law E + A N^-alpha + B D^-beta for a budget that pays  product N D + served N, under caps and
// floors of N, D and D/N: exact, as `jaxscale.frontier` finds it, with bands from draws or by the delta method.
//
// What stays the same is the model, made by Python:
//   roles        where E, A, alpha, B, beta stand in theta; E may be null
//   transforms   of each number of theta: "log" or "identity"
//   theta, covariance (or null), draws (or null), level
//   limits       {N_max, N_min, D_max, D_min, ratio_max, ratio_min}, each {value, name}
const Planner = (() => {
  // Logs of the prefactors, and the exponents, of theta.
  function terms(model, theta) {
    const natural = i => (model.transforms[i] === "log" ? Math.exp(theta[i]) : theta[i]);
    const log = i => (i === null ? -Infinity : model.transforms[i] === "log" ? theta[i] : Math.log(theta[i]));
    const r = model.roles;
    return { e: log(r.E), a: log(r.A), b: log(r.B), alpha: natural(r.alpha), beta: natural(r.beta) };
  }
  const loss = (t, N, D) => Math.exp(t.e) + Math.exp(t.a - t.alpha * Math.log(N)) + Math.exp(t.b - t.beta * Math.log(D));

  // log D where nothing but the budget binds. There alpha A N^-alpha = beta B D^-beta (1 + served / (product D)), whose
  // log rises in log D, bends one way, and so falls to Newton's method.
  function free(t, C, cost) {
    const k = Math.log(t.alpha) + t.a - Math.log(t.beta) - t.b - t.alpha * Math.log(C) + Math.log(cost.product);
    let y = Math.min(-(k + (t.alpha - 1) * Math.log(cost.product)) / (t.alpha + t.beta), Math.log(C / cost.product));
    for (let i = 0; i < 80; i++) {
      const d = cost.product * Math.exp(y), all = d + cost.served;
      const step = (k + (t.alpha - 1) * Math.log(all) + (t.beta + 1) * y) / (((t.alpha - 1) * d) / all + t.beta + 1);
      y -= step;
      if (Math.abs(step) < 1e-14 * (1 + Math.abs(y))) break;
    }
    return y;
  }
  // The D at which the budget buys D/N = ratio.
  const atRatio = (ratio, C, cost) =>
    (2 * ratio * C) / (cost.served + Math.sqrt(cost.served ** 2 + 4 * cost.product * ratio * C));
  const atSize = (N, C, cost) => (C / N - cost.served) / cost.product;

  // Where no limit lets the budget be spent: both as large as the limits let them be.
  function corner(limits) {
    const cap = name => limits[name]?.value ?? Infinity, floor = name => limits[name]?.value ?? 0;
    const byRatio = { N: floor("ratio_min") > 0 ? cap("D_max") / floor("ratio_min") : Infinity, D: cap("ratio_max") * cap("N_max") };
    const N = Math.min(cap("N_max"), byRatio.N), D = Math.min(cap("D_max"), byRatio.D);
    const by = [N < byRatio.N ? "N_max" : "ratio_min", D < byRatio.D ? "D_max" : "ratio_max"];
    return { N, D, by: by.map(name => limits[name]?.name) };
  }
  function keeps(N, D, C, cost, limits) {
    const slack = 1 + 1e-11, below = (x, limit) => !limit || x <= limit.value * slack, above = (x, limit) => !limit || x >= limit.value / slack;
    return Number.isFinite(N * D) && N * (cost.product * D + cost.served) <= C * slack
      && below(N, limits.N_max) && above(N, limits.N_min) && below(D, limits.D_max) && above(D, limits.D_min)
      && below(D / N, limits.ratio_max) && above(D / N, limits.ratio_min);
  }

  // {status: "ok" | "infeasible" | "failed", N, D, loss, binding: names, moves: whether the parameters move N and D}
  function plan(t, C, cost, limits) {
    const none = (status, binding) => ({ status, N: NaN, D: NaN, loss: NaN, binding, moves: false });
    if (!(t.alpha > 0 && t.beta > 0 && Number.isFinite(t.a + t.b))) return none("failed", []);
    let low = { D: 0, by: null }, high = { D: Infinity, by: null };
    const least = (D, limit) => { if (D > low.D) low = { D, by: limit.name }; };
    const most = (D, limit) => { if (D < high.D) high = { D, by: limit.name }; };
    if (limits.D_max) most(limits.D_max.value, limits.D_max);
    if (limits.ratio_max) most(atRatio(limits.ratio_max.value, C, cost), limits.ratio_max);
    if (limits.N_min) most(atSize(limits.N_min.value, C, cost), limits.N_min);
    if (limits.D_min) least(limits.D_min.value, limits.D_min);
    if (limits.ratio_min) least(atRatio(limits.ratio_min.value, C, cost), limits.ratio_min);
    if (limits.N_max) least(atSize(limits.N_max.value, C, cost), limits.N_max);
    if (low.D > high.D * (1 + 1e-12) || high.D <= 0) {
      const { N, D, by } = corner(limits);
      if (!keeps(N, D, C, cost, limits)) return none("infeasible", [low.by, high.by].filter(name => name));
      return { status: "ok", N, D, loss: loss(t, N, D), binding: [...new Set(by)], moves: false };
    }
    const best = Math.exp(free(t, C, cost)), D = Math.min(Math.max(best, low.D), high.D);
    const N = C / (cost.product * D + cost.served), held = D === best ? null : D === low.D ? low.by : high.by;
    return { status: "ok", N, D, loss: loss(t, N, D), binding: ["budget", ...(held ? [held] : [])], moves: !held };
  }

  function quantile(sorted, share) {
    const place = (sorted.length - 1) * share, i = Math.floor(place);
    return i + 1 < sorted.length ? sorted[i] + (place - i) * (sorted[i + 1] - sorted[i]) : sorted[i];
  }
  // Each draw planned for itself, and percentiles of the logs of what comes out.
  function fromDraws(model, draws, planned) {
    const found = { N: [], D: [], loss: [], ratio: [] }, tail = (1 - model.level) / 2;
    for (const t of draws) {
      const p = planned(t);
      if (p.status !== "ok") continue;
      found.N.push(Math.log(p.N)); found.D.push(Math.log(p.D));
      found.loss.push(Math.log(p.loss)); found.ratio.push(Math.log(p.D / p.N));
    }
    if (draws.length - found.N.length > draws.length * (1 - model.level)) return {};
    for (const name in found) {
      const sorted = Float64Array.from(found[name]).sort();
      found[name] = [Math.exp(quantile(sorted, tail)), Math.exp(quantile(sorted, 1 - tail))];
    }
    return found;
  }
  // Slopes of the logs of N, D and loss in theta, where the optimum is held by the budget alone or by a limit.
  function slopes(model, theta, t, p, C, cost) {
    const r = model.roles, n = theta.length, scale = i => (model.transforms[i] === "log" ? 1 : 1 / theta[i]);
    const raw = i => (model.transforms[i] === "log" ? Math.exp(theta[i]) : 1); // of an exponent
    const x = Math.log(p.N), y = Math.log(p.D), out = { N: new Float64Array(n), D: new Float64Array(n), loss: new Float64Array(n) };
    const size = Math.exp(t.a - t.alpha * x) / p.loss, data = Math.exp(t.b - t.beta * y) / p.loss;
    if (r.E !== null) out.loss[r.E] += (Math.exp(t.e) / p.loss) * scale(r.E);
    out.loss[r.A] += size * scale(r.A);
    out.loss[r.B] += data * scale(r.B);
    out.loss[r.alpha] -= size * x * raw(r.alpha);
    out.loss[r.beta] -= data * y * raw(r.beta);
    if (p.moves) { // the balance: log alpha + a - log beta - b - alpha x + beta y + log of the share of training = 0
      const trained = (cost.product * p.D) / (cost.product * p.D + cost.served), steep = t.alpha * trained + t.beta + 1 - trained;
      const move = (i, by) => { const dy = -by / steep; out.D[i] += dy; out.N[i] -= trained * dy; };
      move(r.A, scale(r.A));
      move(r.B, -scale(r.B));
      move(r.alpha, (1 / t.alpha - x) * raw(r.alpha));
      move(r.beta, (y - 1 / t.beta) * raw(r.beta));
    }
    out.ratio = out.D.map((d, i) => d - out.N[i]);
    return out;
  }
  function byDelta(model, theta, covariance, t, p, C, cost) {
    const found = slopes(model, theta, t, p, C, cost), out = {}, value = { N: p.N, D: p.D, loss: p.loss, ratio: p.D / p.N };
    for (const name in found) {
      let variance = 0;
      for (let i = 0; i < theta.length; i++) for (let j = 0; j < theta.length; j++) variance += found[name][i] * covariance[i][j] * found[name][j];
      const half = Math.exp(model.normal * Math.sqrt(Math.max(variance, 0)));
      out[name] = [value[name] / half, value[name] * half];
    }
    return out;
  }

  // The model with number j of theta at another value: the others follow as they move together, and what is then left
  // of the uncertainty is that of the others.
  function moved(model, j, value) {
    const c = model.covariance, along = theta => theta.map((x, i) => x + (c[i][j] / c[j][j]) * (value - theta[j]));
    const covariance = c.map((row, i) => row.map((x, k) => x - (c[i][j] * c[j][k]) / c[j][j]));
    return { ...model, theta: along(model.theta), draws: model.draws?.map(along) ?? null, covariance };
  }

  const read = new WeakMap(); // the terms of a model's draws, read once
  function termsOfDraws(model, most) {
    if (!read.has(model)) read.set(model, model.draws.map(theta => terms(model, theta)));
    const all = read.get(model), stride = Math.max(1, Math.ceil(all.length / most));
    return stride === 1 ? all : all.filter((_, i) => i % stride === 0);
  }

  // What `planned` says of the model's numbers, with bands by the method of the model; `most` bounds how many draws are
  // taken.
  function banded(model, planned, most, delta) {
    const t = terms(model, model.theta), p = planned(t);
    let bands = {};
    if (p.status === "ok" && model.draws) bands = fromDraws(model, termsOfDraws(model, most), planned);
    else if (p.status === "ok" && model.covariance) bands = delta(t, p);
    return { ...p, ratio: p.D / p.N, bands };
  }
  // A plan for a budget.
  function answer(model, C, cost, limits, most = Infinity) {
    return banded(model, t => plan(t, C, cost, limits), most, (t, p) => byDelta(model, model.theta, model.covariance, t, p, C, cost));
  }
  return { answer, banded, moved };
})();
if (typeof module !== "undefined") module.exports = Planner;
