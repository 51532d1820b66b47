"use strict";
// A page that is opened from a file may start no worker: what the search would do in one is done in a frame.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.document.open();
      inside.document.write("<!doctype html><title>search</title>");
      inside.document.close();
      const later = (to, data) => setTimeout(() => to()?.({ data: structuredClone(data) })); // as a worker's messages come
      inside.postMessage = data => later(() => this.onmessage, data);
      this.postMessage = data => { this.ready.then(() => later(() => inside.onmessage, data), () => null); };
      const script = inside.document.createElement("script");
      this.ready = new Promise((done, failed) => Object.assign(script, { src: `${url}`, onload: done, onerror: failed }));
      this.ready.catch(() => this.onerror?.(new Event("error", { cancelable: true })));
      inside.document.head.append(script);
    }
    terminate() { this.frame.remove(); }
  };
}
