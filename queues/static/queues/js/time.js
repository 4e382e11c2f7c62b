// Instants are served as absolute text; here they become relative, and stay so.
const skew = Number(document.documentElement.dataset.now || Date.now()) - Date.now();
export const now = () => Date.now() + skew;
let absolute = localStorage.getItem("rq-time") === "absolute";

export function span(ms) {
  const s = Math.max(ms, 0) / 1000;
  if (s < 10) return s < 1 ? `${Math.round(s * 1000)}\u2009ms` : `${s.toFixed(1).replace(".0", "")}\u2009s`;
  if (s < 60) return `${Math.floor(s)}\u2009s`;
  const pair = (big, a, small, b) => {
    const rest = Math.floor((s % big) / small);
    return `${Math.floor(s / big)}\u2009${a}${rest ? ` ${rest}\u2009${b}` : ""}`;
  };
  if (s < 3600) return pair(60, "m", 1, "s");
  return s < 86400 ? pair(3600, "h", 60, "m") : pair(86400, "d", 3600, "h");
}

function relative(ms) {
  const ahead = ms < 0;
  const s = Math.abs(ms) / 1000;
  if (s < 1) return "now";
  const text = s < 60 ? `${Math.floor(s)}\u2009s` : s < 3600 ? `${Math.floor(s / 60)}\u2009m` : span(Math.abs(ms));
  return ahead ? `in ${text}` : `${text} ago`;
}

export function tick(root = document) {
  const at = now();
  for (const el of root.querySelectorAll("time[data-t]")) {
    const t = Date.parse(el.dateTime);
    const style = el.dataset.t;
    let text = el.title.slice(11, 19);
    if (style === "since") text = span(at - t);
    else if (style === "ago") text = absolute ? el.title.slice(0, 19) : relative(at - t);
    if (el.textContent !== text) el.textContent = text;
  }
}

export function toggle() {
  absolute = !absolute;
  localStorage.setItem("rq-time", absolute ? "absolute" : "relative");
  tick();
}

tick();
setInterval(tick, 1000);
