"use strict";
// The page that jaxscale serves: brings a table in, corrects its columns, fits, moves the sliders of its plan. What stands
// after # in the address is all of its state: columns, law, target, sliders, scenarios.
{
  const $ = id => document.getElementById(id), data = JSON.parse($("data").textContent);
  const READ = data.fields ?? []; // how the table is read; "col." in the address
  const MAIN = ["budget", "loss", "size"]; // what is asked for
  const hash = new URLSearchParams(location.hash.slice(1)), say = text => { $("message").textContent = text; };
  const after = params => (params.toString() ? `#${params}` : "");

  // The token is shown once, for a cookie that no script reads, and leaves the address.
  async function enter() {
    const token = hash.get("token");
    if (token === null) return;
    hash.delete("token");
    history.replaceState(null, "", location.pathname + location.search + after(hash));
    await Server.post("/api/enter", JSON.stringify({ token }));
  }

  // --- A table comes in ---
  async function take(file) {
    if (file.size > data.most) return say(`${file.name} has more than ${data.most / 2 ** 20} MiB, which is all that is taken; the command line takes larger tables.`);
    say(`Reading ${file.name} …`);
    try {
      const headers = { "Content-Type": "application/octet-stream", "X-Table-Name": encodeURIComponent(file.name) };
      const { id } = await Server.post("/api/tables", file, headers);
      location.assign(`/tables/${id}${after(hash)}`);
    } catch (error) { say(`${error.message}`); }
  }
  async function drop() {
    await enter();
    const { tables } = await listed();
    $("tables").replaceChildren(...tables.map(table => {
      const item = document.createElement("li"), link = document.createElement("a");
      link.href = `/tables/${table.id}${after(hash)}`;
      link.textContent = table.name;
      item.append(link, ` ${table.rows} rows, ${table.fitted ? "fitted" : "not fitted yet"}`);
      return item;
    }));
    $("file").addEventListener("change", () => { if ($("file").files[0]) take($("file").files[0]); });
    addEventListener("dragover", event => event.preventDefault());
    addEventListener("drop", event => { event.preventDefault(); if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]); });
    $("open-link").addEventListener("submit", event => {
      event.preventDefault();
      const given = new URLSearchParams($("link-in").value.split("#")[1] ?? "");
      given.delete("token");
      if (!given.toString()) return say("There is nothing after # in that link.");
      for (const key of [...hash.keys()]) hash.delete(key);
      for (const [key, value] of given) hash.append(key, value);
      history.replaceState(null, "", `/${after(hash)}`);
      for (const link of $("tables").querySelectorAll("a")) link.href = link.getAttribute("href").split("#")[0] + after(hash);
      say("Now drop the table that the link is about: it brings everything else.");
    });
    if (hash.toString()) say("The link brings columns, law and sliders; drop the table it is about.");
    $("file").disabled = false;
  }
  async function listed() {
    const reply = await fetch("/api/tables"), answer = await reply.json();
    if (!reply.ok) throw Error(answer.error);
    return answer;
  }

  // --- Columns and the fit ---
  // A field's value; of a role that is computed the formula, after a sign of equality.
  const formula = id => $(`${id}-formula`), computed = id => formula(id) && $(id).value === "=";
  const chosen = () => Object.fromEntries(READ.map(id => [id, computed(id) ? `=${formula(id).value}` : $(id).value]));
  const usual = id => $(id).options?.[0].value ?? "";
  function show(id) { if (formula(id)) formula(id).hidden = $(id).value !== "="; }
  function put(id, value) { // false where the field cannot hold it
    const field = $(id), known = !field.options || [...field.options].some(option => option.value === value);
    if (known) field.value = value; else if (formula(id) && value.startsWith("=")) { field.value = "="; formula(id).value = value.slice(1); } else return false;
    show(id);
    return true;
  }
  // Whenever a field changes: what the table is then read as, of which the latest is shown.
  const looks = data.page === "table" ? Server.engine(`/api/tables/${data.id}/look`) : null;
  let looked = 0;
  async function look() {
    const mine = ++looked;
    let found;
    try { found = await looks(chosen()); } catch (error) { found = { problem: error.message }; }
    if (!found || mine < looked) return;
    const part = (name, text, attributes = {}) => Object.assign(document.createElement(name), { textContent: text, ...attributes });
    if (found.problem) {
      const said = part("p", found.problem, { id: "problem", className: "trust warning" });
      said.prepend(part("strong", "The table cannot be read so: "));
      $("looked").replaceChildren(said);
      return;
    }
    const notes = document.createElement("ul");
    notes.append(...found.notes.map(note => part("li", note)));
    $("looked").replaceChildren(part("p", `${found.read} What was recognised can be corrected.`, { id: "read" }), ...(found.notes.length ? [notes] : []));
    for (const id of READ) if (formula(id) && !$(id).value) $(id).options[0].textContent = found.roles[id];
  }
  function tell(line, began) {
    const stage = line.what ?? ($("progress").textContent || "waiting for another fit");
    if ($("progress").textContent !== stage) $("progress").textContent = stage; // read out: once for each stage
    if (line.what) $("seconds").dataset.done = line.of > 1 ? `${line.at} of ${line.of} · ` : "";
    $("seconds").textContent = `${$("seconds").dataset.done ?? ""}${line.seconds.toFixed(0)} s`;
    if (line.of > 1) { $("bar").max = line.of; $("bar").value = line.at; } else if (line.what) $("bar").removeAttribute("value");
  }
  // Begins a fit with what is asked for; without, listens to the one that is under way.
  async function fit(asked) {
    $("go").disabled = true; $("stop").hidden = $("bar").hidden = false; say("");
    $("bar").removeAttribute("value");
    try {
      const headers = { "Content-Type": "application/json" };
      const reply = await fetch(`/api/tables/${data.id}/fit`, asked ? { method: "POST", headers, body: JSON.stringify(asked) } : {});
      if (!reply.ok) throw Error((await reply.json()).error);
      const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = "", line = {}; !line.done;) {
        const { value, done } = await reader.read();
        if (done) throw Error("The server ended the fit.");
        const lines = (text + value).split("\n");
        text = lines.pop();
        for (const each of lines) {
          line = JSON.parse(each);
          if (line.error) throw Error(line.error);
          tell(line);
        }
      }
      remember(chosen());
      sessionStorage.setItem("fitted", data.id);
      location.reload();
    } catch (error) {
      $("progress").textContent = $("seconds").textContent = "";
      say(error.message);
      $("go").disabled = false; $("stop").hidden = $("bar").hidden = true;
    }
  }
  function remember(values) {
    for (const id of READ) if (values[id] && values[id] !== usual(id)) hash.set(`col.${id}`, values[id]); else hash.delete(`col.${id}`);
    history.replaceState(null, "", location.pathname + location.search + after(hash));
  }
  function columns() {
    const told = READ.filter(id => hash.has(`col.${id}`) && !data.model), missing = told.filter(id => !put(id, hash.get(`col.${id}`)));
    if (missing.length) say(`The link names columns that this table does not have: ${missing.map(id => hash.get(`col.${id}`)).join(", ")}.`);
    if (told.length) { $("further").open ||= told.some(id => $("further").contains($(id))); look(); }
    for (const id of READ) $(id).addEventListener("change", () => { show(id); if (computed(id) && !formula(id).value) formula(id).focus(); else look(); });
    for (const id of READ) formula(id)?.addEventListener("change", look);
    $("columns").addEventListener("submit", event => { event.preventDefault(); fit(chosen()); });
    $("stop").addEventListener("click", () => Server.post(`/api/tables/${data.id}/stop`, "{}").catch(error => say(error.message)));
    $("go").disabled = false;
    if (data.fitting) { $("columns").closest("details")?.setAttribute("open", ""); fit(null); }
  }

  // --- Sliders, and the address that holds them ---
  const written = state => Object.entries(state).filter(([key, value]) => value !== null && key !== "low" && key !== "high").map(([key, value]) => [key, typeof value === "number" ? String(Number(value.toPrecision(9))) : value]);
  const number = text => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : null);
  const scenario = text => ({ low: data.model.state.low, high: data.model.state.high, ...Object.fromEntries(text.split(",").map(pair => pair.split(":")).map(([key, value]) => [key, key === "target" ? value : number(value ?? "")])) });
  function explore() {
    const values = {}, base = `/tables/${data.id}`;
    for (const control of data.model.controls) if (hash.has(control.id)) { const value = number(hash.get(control.id)); if (value !== null) values[control.id] = value; }
    const told = hash.get("runs");
    if (told !== null && told !== data.runs) $("link-said").textContent = "The link that you opened was made with other runs than these.";
    const first = { values, kept: hash.getAll("keep").slice(0, 20).map(scenario) };
    const server = Server.engine(`/api${base}/plan`);
    const started = Explore.start($("explore"), data.model.kind ? Quick.engine(data.model, server) : server, data.model, first);
    let soon = 0;
    function note() {
      soon = 0;
      const { now, kept } = started.state();
      for (const key of [...MAIN, "served", "cap", "price", "sigmas", "keep", "target", "runs"]) hash.delete(key);
      hash.set("runs", data.runs);
      hash.set("target", data.target);
      for (const [key, value] of written(now)) if (key !== "target" && !(key === "price" && now.price === 2) && !(key === "sigmas" && now.sigmas === 0)) hash.set(key, value);
      for (const each of kept) hash.append("keep", written(each).map(pair => pair.join(":")).join(","));
      history.replaceState(null, "", `${base}${location.search}${after(hash)}`);
      $("link").value = `${location.origin}/${after(hash)}`;
      for (const link of document.querySelectorAll("a.file")) link.href = `${link.pathname}?${new URLSearchParams([...written(now), ...hash.getAll("keep").map(each => ["keep", each])])}`;
    }
    $("explore").addEventListener("state", () => { if (!soon) soon = setTimeout(note, 200); });
    $("copy").addEventListener("click", async () => {
      note();
      $("link").select();
      try { await navigator.clipboard.writeText($("link").value); $("link-said").textContent = "Copied."; } catch { $("link-said").textContent = "Selected: copy it with your keyboard."; }
    });
    function ask(target, amount) {
      if (soon) { clearTimeout(soon); note(); }
      for (const key of [...MAIN, "target"]) hash.delete(key);
      location.assign(`${base}?${new URLSearchParams({ target, amount })}${after(hash)}`);
    }
    $("asking").addEventListener("submit", event => { event.preventDefault(); ask($("target").value, $("amount").value); });
    $("target").addEventListener("change", () => { $("amount").value = ""; });
    for (const link of document.querySelectorAll("a.preset")) link.addEventListener("click", event => {
      const asked = new URL(link.href).searchParams;
      event.preventDefault();
      ask(asked.get("target"), asked.get("amount"));
    });
  }
  async function table() {
    await enter();
    columns();
    if (!data.model) return;
    const target = hash.get("target"), asked = new URLSearchParams(location.search).get("target");
    if (target && target !== data.target && target !== asked && [...$("target").options].some(option => option.value === target)) {
      location.replace(`/tables/${data.id}?target=${target}${after(hash)}`);
      return;
    }
    for (const [id, chart] of Object.entries(data.charts)) if ($(id)) Chart($(id), chart);
    explore();
    if (sessionStorage.getItem("fitted") === data.id) { document.querySelector("h1").tabIndex = -1; document.querySelector("h1").focus(); } // read out first
    sessionStorage.removeItem("fitted");
    if (new URLSearchParams(location.search).has("target")) $("explore-title").scrollIntoView(); // what was asked for
  }
  (data.page === "drop" ? drop : table)().catch(error => say(error.message));
}
