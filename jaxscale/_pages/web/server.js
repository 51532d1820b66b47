"use strict";
// What answers a state of the sliders by asking a server, with the face of engine.js. One request is under way at a time;
// of the states that come meanwhile the latest is asked next, and the others have no answer (undefined).
const Server = (() => {
  async function post(path, body, headers = {}) {
    const reply = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body });
    const answer = await reply.json().catch(() => ({ error: `the server answered ${reply.status}` }));
    if (!reply.ok) throw Error(answer.error);
    return answer;
  }
  function engine(path) {
    let busy = false, waiting = null;
    async function send(state) {
      busy = true;
      try { return await post(path, JSON.stringify(state)); } finally {
        busy = false;
        if (waiting) { const [next, done] = waiting; waiting = null; done(send(next)); }
      }
    }
    return state => {
      if (!busy) return send(state);
      waiting?.[1](undefined);
      return new Promise(done => { waiting = [state, done]; });
    };
  }
  return { engine, post };
})();
