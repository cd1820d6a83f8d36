// The square: writing as a customer, and the feed.

import { Live, follow, nonce, post } from "./live.js";

const NAME = "hearback-name";
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

export function square(done) {
  const feed = document.getElementById("feed");
  if (!feed) return;
  let wanted = decodeURIComponent(location.hash.slice(1));
  const live = new Live(feed, () => feed.dataset.live, (show) => {
    show();
    if (wanted && flash(wanted)) wanted = "";
    if (feed.querySelector(".post.official")) done("appear");
  });
  follow(feed.dataset.events, () => live.refresh());

  const pane = document.getElementById("square");
  const name = pane.querySelector("#write-post input[name=name]");
  name.value = localStorage.getItem(NAME) ?? name.value;
  pane.addEventListener("input", ({ target }) => count(target));
  pane.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(event.target, live, done);
  });
  pane.addEventListener("keydown", (event) => {
    const sends = event.key === "Enter" && (event.ctrlKey || event.metaKey);
    if (sends && event.target.matches("textarea")) event.target.form.requestSubmit();
  });
  pane.addEventListener("click", ({ target }) => {
    const button = target.closest("button[data-opens]");
    if (button) toggle(button, button.getAttribute("aria-expanded") !== "true");
  });

  // A permalink leads to the post on this page, if it is here.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || event.ctrlKey || event.metaKey || event.button !== 0) return;
    const to = new URL(link.href);
    const here = to.origin === location.origin && (to.pathname === "/playground" || link.closest("#square"));
    if (here && to.hash && flash(decodeURIComponent(to.hash.slice(1)))) event.preventDefault();
  });
  addEventListener("hashchange", () => flash(decodeURIComponent(location.hash.slice(1))));
}

async function submit(form, live, done) {
  const button = form.querySelector("button");
  const say = form.querySelector(".form-say");
  if (form.dataset.sure && form.dataset.asked !== "yes") {
    ask(form, button);
    return;
  }
  const fields = new FormData(form);
  if (form.action.endsWith("/write")) fields.set("nonce", (form.submitKey ??= nonce()));
  button.disabled = true;
  const { ok, settled, body } = await post(form.action, fields);
  button.disabled = false;
  if (settled) form.submitKey = undefined;
  say.textContent = ok ? "" : (body.say ?? "That did not work. Try again.");
  if (!ok) return;
  if (form.id === "write-post") localStorage.setItem(NAME, fields.get("name"));
  if (form.action.endsWith("/write")) {
    form.querySelector("textarea").value = "";
    count(form.querySelector("textarea"));
    done("write");
  }
  const opener = form.parentElement.querySelector(`[aria-controls="${CSS.escape(form.id)}"]`);
  if (opener) toggle(opener, false);
  live.refresh();
}

/** Opens one of a post's forms, and closes the others. */
function toggle(button, open) {
  for (const other of button.parentElement.querySelectorAll("button[data-opens]")) {
    const form = document.getElementById(other.getAttribute("aria-controls"));
    const shown = open && other === button;
    other.setAttribute("aria-expanded", String(shown));
    form.hidden = !shown;
    if (shown) form.querySelector("textarea").focus();
  }
}

/** What cannot be taken back is asked twice. */
function ask(form, button) {
  const label = button.textContent;
  form.dataset.asked = "yes";
  button.textContent = form.dataset.sure;
  setTimeout(() => {
    form.dataset.asked = "";
    button.textContent = label;
  }, 3000);
}

function count(area) {
  const most = Number(area.dataset?.most);
  const shown = area.form?.querySelector("[data-count]");
  if (!most) return;
  const length = [...graphemes.segment(area.value)].length;
  area.setCustomValidity(length > most ? `${length} characters; a post has at most ${most}.` : "");
  if (!shown) return;
  shown.textContent = length > most * 0.7 ? String(most - length) : "";
  shown.classList.toggle("over", length > most);
}

/** Shows a post and makes it glow. */
function flash(id) {
  const post = id && document.getElementById("feed")?.querySelector(`#${CSS.escape(id)}`);
  if (!post) return false;
  post.scrollIntoView({ block: "center", behavior: "smooth" });
  post.classList.remove("flash");
  requestAnimationFrame(() => post.classList.add("flash"));
  post.focus({ preventScroll: true });
  return true;
}
