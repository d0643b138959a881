// Keeps the outbox fresh without losing the reader's place; an opened mail stays as it is.
const refreshEveryMs = 2000;

async function refresh() {
  if (document.querySelector("details[open]")) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  const shown = document.querySelector("main");
  if (fresh && fresh.innerHTML !== shown.innerHTML) shown.replaceWith(fresh);
}

setInterval(refresh, refreshEveryMs);
