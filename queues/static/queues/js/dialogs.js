// Forms that ask before they act open in a dialog; without script their links lead to the same form as a page.
const dialog = document.querySelector("dialog[data-ask]");

async function ask(link) {
  try {
    const answer = await fetch(link.href, { headers: { "X-Region": "form" }, redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    dialog.innerHTML = await answer.text();
    const next = dialog.querySelector("input[name=next]");
    if (next) next.value = location.pathname + location.search;
    dialog.showModal();
    dialog.querySelector("[autofocus], input:not([type=hidden]), button")?.focus();
  } catch {
    location.href = link.href;
  }
}

function matchTyped(input) {
  const button = input.form.querySelector("button[data-needs]");
  if (button) button.disabled = input.value !== input.dataset.type;
}

document.addEventListener("click", (e) => {
  const link = e.target.closest("a[data-ask]");
  if (link && dialog && !e.ctrlKey && !e.metaKey) {
    e.preventDefault();
    ask(link);
  }
  if (e.target.closest("[data-close]")) {
    e.preventDefault();
    e.target.closest("dialog").close();
  }
  if (e.target.closest("[data-dismiss]")) e.target.closest(".note").remove();
  if (e.target instanceof HTMLDialogElement) e.target.close();
  const copy = e.target.closest("[data-copy]");
  if (copy) copyText(copy);
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(e.target)) menu.open = false;
});
document.addEventListener("input", (e) => { if (e.target.dataset.type) matchTyped(e.target); });
document.addEventListener("submit", (e) => {
  const button = e.submitter;
  if (button && e.target.method === "post") setTimeout(() => { button.disabled = true; });
});

async function copyText(el) {
  await navigator.clipboard.writeText(el.dataset.copy);
  const word = el.querySelector(".word");
  if (!word) return;
  const old = word.textContent;
  word.textContent = "Copied";
  setTimeout(() => { word.textContent = old; }, 1200);
}

for (const note of document.querySelectorAll(".toasts .note.good")) setTimeout(() => note.remove(), 8000);
for (const input of document.querySelectorAll("[data-type]")) matchTyped(input);
