// Numbers that every page shows: the rail's badges, the foot's freshness mark.
const thin = (n) => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009");
const compact = (n) => (n < 10000 ? thin(n) : n < 1e6 ? `${(n / 1000).toFixed(n < 1e5 ? 1 : 0)}k` : `${(n / 1e6).toFixed(1)}M`);
const said = document.querySelector("[data-said]");
let spoken = 0;

document.addEventListener("rq:frame", ({ detail: { pulse } }) => {
  if (!pulse) return;
  for (const el of document.querySelectorAll("[data-pulse]")) {
    const value = pulse[el.dataset.pulse];
    const text = value === null || value === undefined ? "" : typeof value === "number" ? (el.dataset.as === "full" ? thin : compact)(value) : value;
    if (el.textContent !== text) el.textContent = text;
    if (el.classList.contains("badge")) {
      el.hidden = !value;
    }
  }
  const mark = document.querySelector("[data-mark]");
  if (mark) mark.classList.toggle("behind", Boolean(pulse.behind));
  const hot = document.querySelector("[data-hot-away]");
  if (hot) hot.hidden = pulse.hot !== false;
  if (said && Date.now() - spoken > 10000 && pulse.said && said.textContent !== pulse.said) {
    spoken = Date.now();
    said.textContent = pulse.said;
  }
});
