// The team's chat: the board, the open thread, buttons, forms and the command line.

import { Live, follow, nonce, post } from "./live.js";

const SEAT = "hearback-seat";
const OPEN = "hearback-open";
/** How long a short answer stays. */
const STAY = 8000;

export function team(done) {
  if (document.getElementById("console")) new Team(done).start();
}

const byId = (id) => document.getElementById(id);

class Team {
  constructor(done) {
    this.done = done;
    this.open = caseOf(location.hash) ?? (Number(sessionStorage.getItem(OPEN)) || null);
    this.shown = null;
    this.atEnd = true;
    this.totals = new Map();
    this.said = [];
    this.recalled = 0;
    this.board = new Live(byId("board"), () => `/console/board${this.open ? `?open=${this.open}` : ""}`, (show) => {
      show();
      this.openFirst();
    });
    this.thread = new Live(byId("thread"), () => (this.open ? `/console/thread/${this.open}` : null), (show) =>
      this.show(show),
    );
  }

  start() {
    const seat = byId("seat");
    const kept = localStorage.getItem(SEAT);
    if ([...seat.options].some((option) => option.value === kept)) seat.value = kept;
    seat.addEventListener("change", () => localStorage.setItem(SEAT, seat.value));

    follow(byId("board").dataset.events, () => this.look());
    addEventListener("hashchange", () => this.choose(caseOf(location.hash)));
    byId("console").addEventListener("click", (event) => this.clicked(event));
    byId("say").addEventListener("submit", (event) => this.say(event));
    byId("ask").addEventListener("submit", (event) => this.fill(event));
    byId("ask").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form?.requestSubmit();
    });
    byId("answer-close").addEventListener("click", () => this.hideAnswer());
    this.stayAtEnd();
    this.commandLine();
    setInterval(() => this.countDown(), 200);
    this.mark();
  }

  look() {
    this.board.refresh();
    this.thread.refresh();
  }

  /** Somebody new sees a thread at once. */
  openFirst() {
    if (this.open) return;
    const first = byId("rows")?.querySelector("a[data-case]");
    if (first) this.choose(Number(first.dataset.case));
  }

  choose(number) {
    if (!number || number === this.open) return;
    this.open = number;
    sessionStorage.setItem(OPEN, number);
    this.mark();
    this.look();
  }

  /** Shows which case is open. */
  mark() {
    for (const row of byId("board").querySelectorAll("a[data-case]")) {
      if (Number(row.dataset.case) === this.open) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
    byId("say-case").hidden = !this.open;
    byId("say-case").textContent = this.open ? `#${this.open}` : "";
    const number = this.open ?? 1;
    byId("line").placeholder = `/claim ${number}   ·   /reply ${number} We are on it…`;
  }

  /** Keeps the end of the thread in view for who was reading there. */
  show(draw) {
    const scroll = byId("thread");
    const other = this.shown !== this.open;
    if (other) {
      scroll.replaceChildren();
      scroll.dataset.filled = "no";
    }
    if (other) this.atEnd = true;
    draw();
    this.shown = this.open;
    this.countDown();
    if (this.atEnd) scroll.scrollTop = scroll.scrollHeight;
  }

  /** Also when an answer under the thread takes some of its room. */
  stayAtEnd() {
    const scroll = byId("thread");
    scroll.addEventListener("scroll", () => {
      this.atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
    });
    new ResizeObserver(() => {
      if (this.atEnd) scroll.scrollTop = scroll.scrollHeight;
    }).observe(scroll);
  }

  clicked(event) {
    const row = event.target.closest("a[data-case]");
    if (row && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      history.replaceState(null, "", row.hash);
      this.choose(Number(row.dataset.case));
      return;
    }
    const button = event.target.closest("button");
    if (button?.dataset.press) this.press(button);
    if (button && "close" in button.dataset) byId("ask").close();
  }

  async give(address, fields, holder) {
    if (holder.busy) return null;
    holder.busy = true;
    holder.submitKey ??= nonce();
    const body = { ...fields, by: byId("seat").value, nonce: holder.submitKey };
    const answer = await post(address, body);
    holder.busy = false;
    if (answer.settled) holder.submitKey = undefined;
    this.look();
    return answer;
  }

  async press(button) {
    button.disabled = true;
    const answer = await this.give("/console/press", { press: button.dataset.press }, button);
    button.disabled = false;
    if (answer) this.answered(answer);
  }

  async say(event) {
    event.preventDefault();
    const line = byId("line");
    const text = line.value.trim();
    if (!text) return;
    const answer = await this.give("/console/say", { line: text, ...(this.open && { open: this.open }) }, event.target);
    if (!answer) return;
    this.said.push(text);
    this.recalled = this.said.length;
    if (this.answered(answer, verbOf(text))) {
      line.value = "";
      this.grow();
    }
    line.focus();
  }

  async fill(event) {
    event.preventDefault();
    const form = event.target;
    const fields = Object.fromEntries(new FormData(form));
    const answer = await this.give("/console/form", fields, form);
    if (!answer) return;
    if (answer.ok && answer.body.kind !== "refused") {
      byId("ask").close();
      this.answered(answer, fields.verb);
    } else {
      form.querySelector(".form-say").textContent = words(answer.body);
    }
  }

  /** Shows what came back, to this verb where it is known; whether it was done. */
  answered({ ok, body }, verb) {
    const { kind, html, case: number } = body;
    if (ok && kind === "ask") {
      const ask = byId("ask");
      ask.innerHTML = html;
      ask.showModal();
      return true;
    }
    const box = byId("answer");
    clearTimeout(this.hiding);
    if (html) byId("answer-body").innerHTML = html;
    else byId("answer-body").textContent = words(body);
    box.dataset.kind = ok ? kind : "refused";
    box.hidden = false;
    const done = ok && kind === "done";
    if (done) {
      if (verb === "reply") this.done("reply");
      if (byId("answer-body").querySelectorAll("p").length < 2) {
        this.hiding = setTimeout(() => this.hideAnswer(), STAY);
      }
      if (number) this.choose(number);
    }
    return done;
  }

  hideAnswer() {
    byId("answer").hidden = true;
    clearTimeout(this.hiding);
  }

  /** The undo window, and every other moment that is awaited, to the second. */
  countDown() {
    for (const time of byId("console").querySelectorAll("time[data-until]")) {
      const text = remaining(Number(time.dataset.until), Date.now());
      if (time.textContent !== text) time.textContent = text;
    }
    for (const held of byId("thread").querySelectorAll(".held")) {
      const until = Number(held.dataset.until);
      const left = Math.max(0, until - Date.now());
      if (!this.totals.has(until)) this.totals.set(until, Math.max(left, 1));
      const seconds = Math.ceil(left / 1000);
      const text = seconds > 90 ? `${Math.ceil(seconds / 60)} min` : seconds > 0 ? `${seconds} s` : "a moment";
      const shown = held.querySelector("[data-left]");
      if (shown.textContent !== text) shown.textContent = text;
      held.querySelector(".held-bar span").style.transform = `scaleX(${left / this.totals.get(until)})`;
    }
  }

  grow() {
    const line = byId("line");
    line.style.height = "auto";
    line.style.height = `${Math.min(line.scrollHeight, 160)}px`;
  }

  commandLine() {
    const line = byId("line");
    const verbs = byId("verbs");
    let at = -1;
    const shown = () => [...verbs.children].filter((option) => !option.hidden);
    const select = (index) => {
      const options = shown();
      at = options.length ? (index + options.length) % options.length : -1;
      options.forEach((option, i) => option.setAttribute("aria-selected", String(i === at)));
      if (at >= 0) {
        line.setAttribute("aria-activedescendant", options[at].id);
        options[at].scrollIntoView({ block: "nearest" });
      } else line.removeAttribute("aria-activedescendant");
    };
    const suggest = () => {
      const typed = /^\/([a-z]*)$/i.exec(line.value)?.[1].toLowerCase();
      for (const option of verbs.children) {
        option.hidden = typed === undefined || !option.dataset.verb.startsWith(typed);
      }
      verbs.hidden = shown().length === 0;
      line.setAttribute("aria-expanded", String(!verbs.hidden));
      select(0);
    };
    const complete = (option) => {
      const verb = option.dataset.verb;
      line.value = `/${verb}${"more" in option.dataset ? " " : ""}`;
      suggest();
      verbs.hidden = true;
      line.setAttribute("aria-expanded", "false");
      line.focus();
    };
    line.addEventListener("input", () => {
      suggest();
      this.grow();
    });
    line.addEventListener("blur", () => setTimeout(() => (verbs.hidden = true), 150));
    verbs.addEventListener("mousedown", (event) => {
      const option = event.target.closest("[data-verb]");
      if (option) {
        event.preventDefault();
        complete(option);
      }
    });
    line.addEventListener("keydown", (event) => {
      const listed = !verbs.hidden && at >= 0;
      const chosen = listed ? shown()[at] : null;
      if (listed && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
        event.preventDefault();
        select(at + (event.key === "ArrowDown" ? 1 : -1));
      } else if (listed && event.key === "Escape") {
        verbs.hidden = true;
      } else if (listed && (event.key === "Tab" || (event.key === "Enter" && line.value !== `/${chosen.dataset.verb}`))) {
        event.preventDefault();
        complete(chosen);
      } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        verbs.hidden = true;
        byId("say").requestSubmit();
      } else if (event.key === "ArrowUp" && (line.value === "" || line.value === this.said[this.recalled])) {
        if (this.recalled > 0) {
          event.preventDefault();
          line.value = this.said[--this.recalled];
          this.grow();
        }
      } else if (event.key === "Escape") this.hideAnswer();
    });
  }
}

/** How long it is still, as part of a sentence. */
function remaining(until, now) {
  const seconds = Math.ceil((until - now) / 1000);
  return seconds <= 0 ? "now"
    : seconds <= 90 ? `in ${seconds} s`
    : seconds <= 5400 ? `in ${Math.ceil(seconds / 60)} min`
    : `in ${Math.ceil(seconds / 3600)} h`;
}

function caseOf(hash) {
  return Number(/^#case-(\d+)$/.exec(hash)?.[1]) || null;
}

/** The verb of a line, which may name a case before it. */
function verbOf(line) {
  return /^\/?(?:case\s+)?(?:#?\d+\s+)?([a-z]+)/i.exec(line)?.[1].toLowerCase();
}

function words(body) {
  if (!body.html) return body.say ?? "That did not work. Try again.";
  return new DOMParser().parseFromString(body.html, "text/html").body.textContent;
}
