// Follows what happens on the server: fetches a fragment again at every tick and brings the page to
// it in place, so that focus, scroll positions and typed text stay.

/** Key for one submit: a repeated submit carries the same one and changes nothing. */
export function nonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Makes `target` contain what `html` says. Elements with ids keep their identity. */
export function morph(target, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const focused = document.activeElement;
  const filled = target.dataset.filled === "yes";
  children(target, template.content, filled);
  target.dataset.filled = "yes";
  target.removeAttribute("aria-busy");
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
  retime(target);
}

function children(from, to, filled) {
  const keyed = new Map();
  for (const child of from.children) if (child.id) keyed.set(child.id, child);
  let at = from.firstChild;
  for (const next of [...to.childNodes]) {
    const match = next.id ? keyed.get(next.id) : alike(at, next) ? at : null;
    if (!match) {
      if (filled && next.id) next.classList.add("fresh");
      from.insertBefore(next, at);
    } else {
      if (match === at) at = at.nextSibling;
      else from.insertBefore(match, at);
      bring(match, next, filled);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function alike(one, other) {
  return one && one.nodeName === other.nodeName && !one.id;
}

function bring(from, to, filled) {
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.data !== to.data) from.data = to.data;
    return;
  }
  if (from.nodeName !== to.nodeName) {
    from.replaceWith(to);
    return;
  }
  // What a person may be typing in stays until what it is about changes.
  if (from.dataset.keep !== undefined && from.dataset.keep === to.dataset.keep) return;
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && name !== "style") from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  children(from, to, filled);
}

/** A part of the page that shows a fragment. */
export class Live {
  constructor(target, address, after = () => {}) {
    Object.assign(this, { target, address, after, busy: false, again: false, round: 0 });
  }

  /** Fetches and shows the fragment; calls while one is under way become one more. */
  async refresh() {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    try {
      do {
        this.again = false;
        const address = this.address();
        if (!address) continue;
        const answer = await ask(address);
        if (!answer) return;
        const isHtml = answer.headers.get("content-type")?.startsWith("text/html");
        if (!isHtml || address !== this.address()) {
          this.again = isHtml;
          continue;
        }
        this.after(() => morph(this.target, answer.text));
      } while (this.again);
    } finally {
      this.busy = false;
    }
  }
}

/** Fetches; nothing when there is no answer: the stream reconnects by itself and ticks again. */
async function ask(address) {
  try {
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    return { headers: answer.headers, text: await answer.text() };
  } catch {
    return null;
  }
}

const streams = new Map();

/** Calls `look` at every tick of an event stream. Hidden pages listen to nothing. */
export function follow(address, look) {
  const listen = () => {
    const stream = new EventSource(address);
    streams.set(address, stream);
    stream.addEventListener("changed", look);
    stream.addEventListener("open", told);
    stream.addEventListener("error", told);
  };
  document.addEventListener("visibilitychange", () => {
    streams.get(address)?.close();
    if (!document.hidden) listen();
  });
  listen();
}

function told() {
  const live = document.getElementById("live");
  const up = [...streams.values()].every((stream) => stream.readyState === EventSource.OPEN);
  live.dataset.state = up ? "up" : "down";
  live.querySelector(".live-word").textContent = up ? "live" : "reconnecting";
}

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** Writes times as people say them. */
export function retime(root = document) {
  const now = Date.now();
  for (const time of root.querySelectorAll("time[data-ago]")) {
    const at = new Date(time.dateTime);
    const seconds = Math.max(0, (now - at) / 1000);
    time.textContent =
      seconds < 45 ? "now"
      : seconds < 3600 ? `${Math.round(seconds / 60)} min`
      : seconds < 86400 ? `${Math.round(seconds / 3600)} h`
      : day.format(at);
    time.title = exact.format(at);
  }
}

/** Posts a form's fields, and says what came back. */
export async function post(address, fields) {
  try {
    const answer = await fetch(address, { method: "POST", body: new URLSearchParams(fields) });
    const body = await answer.json().catch(() => ({}));
    return { ok: answer.ok, settled: answer.status < 500, body };
  } catch {
    return { ok: false, settled: false, body: { say: "Hearback does not answer. Is it still running?" } };
  }
}
