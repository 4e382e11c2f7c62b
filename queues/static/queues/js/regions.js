// Parts of the page that fetch themselves again when what they show has changed.
import { paused } from "./live.js";
import { tick } from "./time.js";

const REST_MS = 2000;
const etags = new WeakMap();
const last = new WeakMap();
const due = new Set();

const KEEP = { DETAILS: "open", DIALOG: "open", INPUT: "checked", TR: "aria-selected" };

export function morph(el, html, options = {}) {
  const moved = [];
  const still = el.matches(":hover") && el.querySelector("table");
  Idiomorph.morph(el, html, {
    morphStyle: "innerHTML",
    callbacks: {
      beforeNodeMorphed(old, fresh) {
        if (old.tagName === "TIME" && old.dateTime === fresh.dateTime && old.dataset.t === fresh.dataset.t) return false;
        if (old === document.activeElement && old.matches("input, textarea, select")) return false;
        if (!still && old.dataset && "c" in old.dataset && old.textContent.trim() !== fresh.textContent.trim()) moved.push(old);
        return true;
      },
      beforeAttributeUpdated: (name, node) => !(KEEP[node.tagName] === name || name === "data-at" || name === "tabindex"),
    },
    ...options,
  });
  tick(el);
  if (el.id === "content") htmx.process(el);
  for (const node of moved) node.classList.add("changed");
}

document.addEventListener("animationend", (e) => e.target.classList.remove("changed"));

function url(el) {
  const to = new URL(el.dataset.src || location.href, location.href);
  if (el.dataset.region === "rows") {
    to.searchParams.set("ids", [...el.querySelectorAll("tr[data-id]")].map((r) => r.dataset.id).join(","));
  }
  return to;
}

export async function refresh(el) {
  due.delete(el);
  last.set(el, Date.now());
  const headers = { "X-Region": el.dataset.region };
  const to = url(el);
  const seen = etags.get(el);
  if (seen && seen.url === to.href) headers["If-None-Match"] = seen.etag;
  try {
    const answer = await fetch(to, { headers, redirect: "error", signal: AbortSignal.timeout(10000) });
    if (!el.isConnected || paused()) return;
    el.classList.toggle("stale", !answer.ok && answer.status !== 304);
    document.dispatchEvent(new CustomEvent("rq:answer", { detail: { el, answer } }));
    if (answer.status !== 200) return;
    if ("whole" in el.dataset) { location.reload(); return; }
    etags.set(el, { url: to.href, etag: answer.headers.get("ETag") });
    morph(el.dataset.into ? document.querySelector(el.dataset.into) : el, await answer.text());
  } catch {
    el.classList.add("stale");
  }
}

const shown = (el) => el.offsetParent !== null || el.tagName === "TBODY";

function concerns(el, frame) {
  const queues = el.dataset.queues || "*";
  if (queues === "*") return frame.dirty.length > 0;
  if (!frame.dirty.includes("*") && !frame.dirty.includes(queues)) return false;
  return !el.dataset.id || frame.more || el.dataset.id in frame.ids;
}

function pump() {
  if (paused()) return;
  for (const el of due) {
    // Morphed into something else, it may be no region any more.
    if (!el.isConnected || !el.dataset.region) due.delete(el);
    else if (Date.now() - (last.get(el) || 0) >= REST_MS && shown(el)) refresh(el);
  }
}

document.addEventListener("rq:frame", ({ detail: frame }) => {
  for (const el of document.querySelectorAll("[data-region]")) {
    const beat = Number(el.dataset.beat || 0) * 1000;
    if (concerns(el, frame) || (beat && Date.now() - (last.get(el) || 0) > beat)) due.add(el);
  }
  pump();
});
setInterval(pump, 500);
