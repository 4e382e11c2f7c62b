// The theme is a cookie that the server reads, so that no page flashes.
const root = document.documentElement;
const order = ["light", "dark", "system"];

export function setTheme(name) {
  root.dataset.theme = name;
  document.cookie = `rq-theme=${name}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
  for (const b of document.querySelectorAll("button[name=theme]")) b.setAttribute("aria-pressed", String(b.value === name));
  document.dispatchEvent(new Event("rq:theme"));
}

export const nextTheme = () => setTheme(order[(order.indexOf(root.dataset.theme) + 1) % 3]);

document.addEventListener("click", (e) => {
  const button = e.target.closest("button[name=theme]");
  if (!button) return;
  e.preventDefault();
  setTheme(button.value);
});
