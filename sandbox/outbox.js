// Keeps the outbox fresh without losing the reader's place; an opened mail and a text that is being written stay as they are.
// Buttons under Telegram's messages can be pressed, and the bot can be written to.
const refreshEveryMs = 2000;

async function refresh() {
  if (document.querySelector("details[open]") || document.querySelector("#say [name=text]")?.value) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  const shown = document.querySelector("main");
  if (fresh && fresh.innerHTML !== shown.innerHTML) shown.replaceWith(fresh);
}

async function act(body) {
  const answer = await fetch("/control/telegram", { method: "POST", body: JSON.stringify(body) }).catch(() => null);
  if (!answer?.ok) alert((await answer?.json())?.error ?? "The sandbox does not answer.");
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-press]");
  if (button) act({ message_id: Number(button.dataset.message), press: button.dataset.press });
});

document.addEventListener("submit", (event) => {
  event.preventDefault();
  const { chat_id: chat, text } = event.target.elements;
  if (text.value) act({ chat_id: Number(chat.value), text: text.value });
  text.value = "";
});

setInterval(refresh, refreshEveryMs);
