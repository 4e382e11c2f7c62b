// Lists: a row under the keys, selected rows, and the bar that tells of new ones.
const rows = () => [...document.querySelectorAll("table[data-rows] tbody tr")];
const at = () => document.querySelector("tr[data-at]");

export function step(by) {
  const all = rows();
  if (!all.length) return;
  const here = all.indexOf(at());
  at()?.removeAttribute("data-at");
  const row = all[Math.max(0, Math.min(all.length - 1, here < 0 ? 0 : here + by))];
  row.setAttribute("data-at", "");
  row.querySelector("a.main")?.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

export const open = () => at()?.querySelector("a.main")?.click();

export function select() {
  const box = at()?.querySelector("input[name=id]");
  if (box) box.click();
}

function count() {
  const boxes = [...document.querySelectorAll("input[name=id]")];
  const chosen = boxes.filter((b) => b.checked);
  for (const box of boxes) {
    const row = box.closest("tr");
    if (row) row.setAttribute("aria-selected", String(box.checked));
  }
  const bar = document.querySelector("[data-bar]");
  if (bar) {
    bar.hidden = chosen.length === 0;
    for (const el of bar.querySelectorAll("[data-n]")) el.textContent = chosen.length;
  }
  const all = document.querySelector("[data-all]");
  if (all) {
    all.checked = chosen.length > 0 && chosen.length === boxes.length;
    all.indeterminate = chosen.length > 0 && chosen.length < boxes.length;
  }
}

export const clear = () => { for (const b of document.querySelectorAll("input[name=id]:checked")) b.checked = false; count(); };

document.addEventListener("change", (e) => {
  if (e.target.matches("[data-all]")) for (const box of document.querySelectorAll("input[name=id]")) box.checked = e.target.checked;
  if (e.target.matches("[data-all], input[name=id]")) count();
});
document.addEventListener("click", (e) => {
  if (e.target.closest("[data-clear]")) clear();
  if (e.target.closest("[data-new]")) showNew();
});
document.addEventListener("htmx:afterSwap", count);
addEventListener("pageshow", count);

document.addEventListener("rq:answer", ({ detail: { el, answer } }) => {
  const fresh = answer.headers.get("X-New");
  const bar = document.querySelector("[data-new]");
  if (el.dataset.region !== "rows" || !bar || fresh === null) return;
  bar.hidden = fresh === "0";
  bar.querySelector("b").textContent = fresh;
});

export function showNew() {
  const bar = document.querySelector("[data-new]");
  if (bar && !bar.hidden) htmx.ajax("GET", location.href, { target: "#content", swap: "innerHTML" });
}
