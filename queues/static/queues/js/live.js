// One socket a tab. Each frame carries absolute values, so a lost one does no harm.
import { now } from "./time.js";

const POLL_MS = 5000;
const LATE_MS = 15000;
const pill = document.querySelector("[data-live]");
const banner = document.querySelector("[data-late]");
let socket = null;
let tries = 0;
let heard = now();
let timer = 0;
let held = false;
let pending = null;

const busy = () => document.hidden || document.querySelector("dialog[open], details.menu[open], tr[aria-selected=true]");
export const paused = () => held || Boolean(busy());

function show() {
  const down = !socket || socket.readyState !== WebSocket.OPEN;
  const late = now() - heard > LATE_MS;
  const is = held ? "paused" : late ? "late" : down ? "polling" : busy() && !document.hidden ? "paused" : "live";
  if (pill && pill.dataset.is !== is) {
    pill.dataset.is = is;
    pill.querySelector(".word").textContent = { live: "Live", paused: "Paused", polling: "Polling", late: "No data" }[is];
    pill.setAttribute("aria-label", `Live updates: ${is}. Press to ${held ? "resume" : "pause"}`);
  }
  if (!banner) return;
  banner.hidden = !late || document.hidden;
  if (late) banner.querySelector("b").textContent = new Date(heard).toISOString().slice(11, 19);
}

function deliver(frame) {
  heard = now();
  if (paused()) {
    const old = pending || { dirty: [], ids: {}, more: false };
    pending = { ...frame, dirty: [...new Set([...old.dirty, ...frame.dirty])], ids: {}, more: true };
  } else {
    document.dispatchEvent(new CustomEvent("rq:frame", { detail: frame }));
  }
  show();
}

function flush() {
  show();
  if (!pending || paused()) return;
  const frame = pending;
  pending = null;
  document.dispatchEvent(new CustomEvent("rq:frame", { detail: frame }));
}

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  socket.onopen = () => { tries = 0; show(); };
  socket.onmessage = (e) => deliver(JSON.parse(e.data));
  socket.onclose = (e) => {
    if (e.code === 4401) return location.reload();
    tries = Math.min(tries + 1, 6);
    setTimeout(connect, Math.random() * 500 * 2 ** tries);
    show();
  };
}

async function poll() {
  if (!document.hidden && (!socket || socket.readyState !== WebSocket.OPEN)) {
    try {
      const answer = await fetch("/pulse", { headers: { Accept: "application/json" }, redirect: "error" });
      if (answer.ok) deliver({ ...(await answer.json()), dirty: ["*"], ids: {}, more: true });
    } catch { /* the banner tells */ }
  }
  show();
}

export function togglePause() {
  held = !held;
  flush();
  show();
}

if (pill) {
  connect();
  timer = setInterval(poll, POLL_MS);
  setInterval(flush, 500);
  pill.addEventListener("click", togglePause);
  document.addEventListener("visibilitychange", flush);
  addEventListener("pagehide", () => { clearInterval(timer); socket.onclose = null; socket.close(); });
}
