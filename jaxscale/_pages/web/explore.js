"use strict";
// Sliders, and what follows from them. `engine` answers a state with a plan (see engine.js); `model` says what each
// slider stands for: value = base * 10^(step * notch), or base + step * notch; at the notch `none` nothing is set. An
// engine may bring a second answer to a state, which then stands, or say that it is the same.
const Explore = (() => {
  const SPOKEN = 700; // milliseconds
  const money = x => "$" + Numbers.count(x);
  const bindingOf = model => ({ budget: "the budget", D_max: `the cap on ${model.response.data}`, N_max: "the largest size allowed" });

  // The law's number as people count the response.
  function given(response, x) {
    return response.scale * (response.exp ? Math.exp(x) : x) + response.offset;
  }
  function valueOf(control, notch) {
    if (control.none !== null && notch === control.none) return null;
    return control.log ? control.base * 10 ** (control.step * notch) : control.base + control.step * notch;
  }
  function notchOf(control, value) {
    if (value === null) return control.none ?? 0;
    return Math.round((control.log ? Math.log10(value / control.base) : value - control.base) / control.step);
  }
  function said(control, value) {
    if (value === null) return control.unset;
    if (control.form === "sigmas") return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(1)} σ`;
    return control.form === "money" ? "$" + value.toFixed(2) : Numbers.count(value);
  }
  function against(now, before) {
    const ratio = now / before;
    if (Math.abs(ratio - 1) < 5e-4) return "as planned";
    return ratio > 2 || ratio < 0.5 ? `${Numbers.format(ratio, 3)} times the plan` : `${ratio > 1 ? "+" : "−"}${Math.abs(100 * (ratio - 1)).toFixed(1)}\u00a0% on the plan`;
  }

  function chartsOf(model, base, now, state) {
    const known = name => base.curve[name].concat(base.curve[`${name}_lo`], base.curve[`${name}_hi`]).filter(v => Number.isFinite(v));
    const panel = (name, label, log, at) => {
      const seen = known(name).concat(now[name] ?? []).map(at), low = Math.min(...seen), high = Math.max(...seen), pad = 0.05 * (high - low);
      const c = now.curve, x = c.budget, ends = log ? [low / 3, high * 3] : [low - pad, high + pad];
      const inside = x.map((_, i) => i).filter(i => Number.isFinite(c[`${name}_lo`][i]) && Number.isFinite(c[`${name}_hi`][i]));
      const back = [...inside].reverse();
      return {
        x: { label: `budget (${model.unit})`, log: true, form: "count", names: [], ends: model.curve, ticks: true },
        y: { label, log, form: log ? "count" : "plain", names: [], ends, ticks: true }, title: "", note: "",
        marks: [
          { mark: "area", role: "fit", label: inside.length ? model.band : "", x: [...inside, ...back].map(i => x[i]), y: [...inside.map(i => at(c[`${name}_lo`][i])), ...back.map(i => at(c[`${name}_hi`][i]))] },
          { mark: "line", role: "ink", dash: "dashed", label: "the plan as it was", name: "", x: base.curve.budget, y: base.curve[name].map(at) },
          { mark: "line", role: "fit", dash: "solid", label: "now", name: "", x, y: c[name].map(at) },
          { mark: "dots", role: "odd", shape: "cross", label: "at this budget", names: [], x: [place], y: [at(now[name])] },
        ],
      };
    };
    const same = x => x, response = x => (x === null ? null : given(model.response, x)), place = now.budget ?? state.budget;
    return {
      title: "", columns: 3, size: [8.4, 2.9], shared: "",
      alt: `Best size, ${model.response.data} and ${model.response.name} over budgets; at ${Numbers.count(place)} ${model.unit} ${Numbers.count(now.N)} parameters, ${Numbers.count(now.D)} ${model.response.data} and ${Numbers.plain(response(now.loss))}.`,
      panels: [panel("N", "best size N (parameters)", true, same), panel("D", `${model.response.data} D`, true, same), panel("loss", model.response.heading, false, response)],
    };
  }

  // Begins, and returns set(values), which moves sliders to values, and state(), what they and the scenarios stand for.
  // `first`: values to begin with, {values, kept}, once the plan itself is known.
  function start(root, engine, model, first = null) {
    const $ = id => root.querySelector(`#${id}`), state = { budget: null, served: null, cap: null, price: null, sigmas: 0, ...model.state };
    const exact = new Map(), scenarios = []; // exact: values that lie between notches
    const controls = model.controls, response = x => Numbers.plain(given(model.response, x));
    const cells = [["N", Numbers.count, a => a.N], ["D", Numbers.count, a => a.D], ["ratio", Numbers.count, a => a.ratio], ["loss", response, a => a.loss]];
    let base = null, answer = null, chart = null, asked = 0, shown = 0;

    function read(control) {
      const input = $(control.id), value = exact.get(control.id) ?? valueOf(control, Number(input.value)), words = said(control, value);
      state[control.id] = value;
      $(`${control.id}-out`).textContent = words;
      input.setAttribute("aria-valuetext", `${words} ${value === null ? "" : control.unit}`.trim());
    }
    const ends = (q, form) => (q ? [...q].sort((a, b) => given(model.response, a) - given(model.response, b)).map(form).join(" to ") : "");
    function bandOf(a, name, form) {
      const q = a.bands[name];
      return !q ? "no interval" : name === "loss" ? ends(q, form) : q.map(form).join(" to ");
    }
    function sayFound(a) {
      const worked = a.status === "ok";
      for (const [name, form, of] of cells) {
        $(`${name}-now`).textContent = worked ? form(of(a)) : "–";
        $(`${name}-band`).textContent = worked ? bandOf(a, name, form) : "";
        $(`${name}-was`).textContent = !worked || base.status !== "ok" ? "" : name === "loss" ? difference(a) : against(of(a), of(base));
      }
      if ($("bill-now")) $("bill-now").textContent = worked ? money(a.bill) : "–";
      $("said").textContent = sentence(a);
      speak(a);
    }
    // What a screen reader is told once the sliders rest; a slider says its own value while it moves.
    let resting = 0;
    function speak(a) {
      clearTimeout(resting);
      const words = () => cells.map(([name]) => `${$(`${name}-now`).previousElementSibling.textContent} ${$(`${name}-now`).textContent}, ${$(`${name}-band`).textContent}`).join("; ");
      resting = setTimeout(() => { $("spoken").textContent = `${a.status === "ok" ? `${words()}. Ranges are ${model.band}s. ` : ""}${$("said").textContent}`; }, SPOKEN);
    }
    function difference(a) {
      const d = given(model.response, a.loss) - given(model.response, base.loss);
      return Math.abs(d) < 5e-5 * Math.abs(given(model.response, base.loss)) ? "as planned" : `${d > 0 ? "+" : "−"}${Numbers.plain(Math.abs(d), 3)} on the plan`;
    }
    function sentence(a) {
      if (a.note) return a.note;
      if (a.status === "outside") return "Outside the plans that this page holds; ask jaxscale.";
      if (a.status !== "ok") return `No plan keeps to all limits${a.binding.length ? `: ${a.binding.join(" and ")} contradict each other` : ""}.`;
      const bound = a.binding.filter(name => name && name !== "budget").map(name => bindingOf(model)[name] ?? name);
      const far = Object.entries(model.largest).map(([name, most]) => [name, a[name] / most]).filter(([, times]) => times > 1.005);
      return `${bound.length ? `Held by ${bound.join(" and ")}${a.binding.includes("budget") || state.target === "loss" ? "" : ", so that the budget is not spent"}. ` : ""}`
        + (far.length ? `Beyond the largest run: ${far.map(([name, times]) => `${name} ${Numbers.format(times, times < 1.095 ? 3 : 2)} times`).join(", ")}.` : Object.keys(model.largest).length ? `Within the sizes and ${model.response.data} of the runs.` : "");
    }
    async function follow() {
      const mine = ++asked, now = { ...state };
      root.dispatchEvent(new CustomEvent("state"));
      function show(a, known = false, error = null) {
        if (error) $("said").textContent = error.message;
        if (!a || mine < shown) return; // a later state is on its way, or was answered already
        if (known) return root.dispatchEvent(new CustomEvent("confirmed", { detail: { state: now, answer: a } }));
        shown = mine;
        answer = { ...a, state: now };
        base ??= a;
        sayFound(a);
        const drawn = chartsOf(model, base, a, now);
        if (chart) chart.update(drawn); else chart = Chart($("along"), drawn);
        root.dispatchEvent(new CustomEvent("answer", { detail: { state: now, answer: a } }));
      }
      try { show(await engine(now, show)); } catch (error) { show(null, false, error); }
    }
    let frame = 0;
    const soon = () => { if (!frame) frame = requestAnimationFrame(() => { frame = 0; follow(); }); };

    function keep(now, a) {
      const setting = c => now[c.id] ?? (c.none === null ? valueOf(c, 0) : null);
      const changed = controls.filter(c => c.id !== "budget" && !c.main && setting(c) !== valueOf(c, 0));
      const row = $("scenarios").tBodies[0].insertRow(), name = changed.map(c => `${c.word} ${said(c, setting(c))}`).join(", ") || "the plan";
      const found = cells.flatMap(([id, form, of]) => [form(of(a)), bandOf(a, id, form)]);
      const texts = [name, a.asked ?? Numbers.count(now.budget), ...found, ...($("bill-now") ? [money(a.bill)] : [])];
      texts.forEach((text, i) => {
        const cell = document.createElement(i ? "td" : "th");
        if (i) cell.className = "number"; else cell.scope = "row";
        cell.textContent = text;
        row.append(cell);
      });
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "remove";
      button.setAttribute("aria-label", `remove scenario ${name}`);
      scenarios.push(now);
      button.addEventListener("click", () => {
        row.remove();
        scenarios.splice(scenarios.indexOf(now), 1);
        $("kept").hidden = !scenarios.length;
        $("keep").focus();
        root.dispatchEvent(new CustomEvent("state"));
      });
      row.insertCell().append(button);
      $("kept").hidden = false;
      clearTimeout(resting);
      $("spoken").textContent = `Scenario kept: ${name}, ${texts[1]}`;
      root.dispatchEvent(new CustomEvent("state"));
    }
    function set(values) {
      for (const control of controls) {
        if (!(control.id in values)) continue;
        const value = values[control.id], notch = notchOf(control, value);
        $(control.id).value = notch;
        exact.delete(control.id);
        if (value !== null && Math.abs(valueOf(control, notch) / value - 1) > 1e-5) exact.set(control.id, value);
        read(control);
      }
    }
    async function begin() {
      await follow();
      for (const now of first?.kept ?? []) {
        try { const a = await engine(now); if (a?.status === "ok") keep(now, a); } catch (error) { $("said").textContent = error.message; }
      }
      if (first) { set(first.values); await follow(); }
    }
    for (const control of controls) { read(control); $(control.id).addEventListener("input", () => { exact.delete(control.id); read(control); soon(); }); }
    $("keep").addEventListener("click", () => { if (answer?.status === "ok") keep(answer.state, answer); });
    $("reset").addEventListener("click", () => { exact.clear(); for (const control of controls) { $(control.id).value = 0; read(control); } follow(); });
    root.hidden = false;
    root.previousElementSibling.hidden = true; // what stands there where this does not run
    begin();
    return { set, state: () => ({ now: { ...state }, kept: [...scenarios] }) };
  }
  return { start };
})();
