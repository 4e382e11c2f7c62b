// Keys, never while a field has the focus.
import { togglePause } from "./live.js";
import * as list from "./list.js";
import { nextTheme } from "./theme.js";
import { toggle as toggleTime } from "./time.js";

const PLACES = { o: "/", j: "/activities", a: "/activities", q: "/queues", d: "/dead", w: "/workers", e: "/enqueue" };
let going = 0;

const press = (name) => (document.querySelector("tr[data-at]") || document.querySelector(".page-head"))?.querySelector(`[data-key="${name}"]`)?.click();
const page = (rel) => document.querySelector(`a[rel="${rel}"]`)?.click();
const KEYS = {
  j: () => list.step(1),
  k: () => list.step(-1),
  x: () => list.select(),
  r: () => press("r"),
  c: () => press("c"),
  n: () => list.showNew(),
  p: togglePause,
  t: nextTheme,
  z: toggleTime,
  "[": () => page("prev"),
  "]": () => page("next"),
  "?": () => document.querySelector("dialog[data-help]").showModal(),
  Escape: () => list.clear(),
  "/": (e) => { e.preventDefault(); document.querySelector(".find input").focus(); },
};

document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) {
    if (e.key === "Escape") e.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  if (Date.now() - going < 1200 && PLACES[e.key]) {
    going = 0;
    location.href = PLACES[e.key];
    return;
  }
  going = e.key === "g" ? Date.now() : 0;
  if (e.key === "Enter" && e.target === document.body) list.open();
  KEYS[e.key]?.(e);
});
document.addEventListener("click", (e) => {
  if (e.target.closest("[data-help-open]")) KEYS["?"]();
});
