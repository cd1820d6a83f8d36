// Starts what is on the page, and ticks off what a visitor has tried.

import { team } from "./console.js";
import { retime } from "./live.js";
import { square } from "./square.js";

const STEPS = ["write", "reply", "appear"];
/** How often times are written anew. */
const MINUTE = 20_000;

function done(step) {
  // An official answer counts once somebody here has replied.
  if (step === "appear" && !is("reply")) return;
  sessionStorage.setItem(`hearback-step-${step}`, "done");
  mark();
}

function is(step) {
  return sessionStorage.getItem(`hearback-step-${step}`) === "done";
}

function mark() {
  for (const step of STEPS) {
    const item = document.getElementById(`step-${step}`);
    item?.classList.toggle("done", is(step));
    item?.classList.toggle("next", STEPS.find((other) => !is(other)) === step);
  }
}

mark();
square(done);
team(done);
setInterval(() => retime(), MINUTE);
