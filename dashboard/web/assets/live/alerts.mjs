// The newest alerts as cards, each with what can be done about it.

import { element, setText } from "../elements.mjs";
import { clock, day, minute } from "../formats.mjs";
import { Notices, Sound } from "./choices.mjs";

const ALERTS_SHOWN = 50;
const HOUR_MS = 3600000;

export class Alerts {
  constructor() {
    this.list = element("ol");
    this.list.setAttribute("aria-live", "polite");
    this.empty = element("p", "empty", "No alerts yet. They appear here the moment a rule fires.");
    this.known = new Set();
    this.hasBegun = false;
    this.sound = new Sound();
    this.notices = new Notices();
    const head = element("h2", "", "Alerts", element("span", "choices", this.sound.view, this.notices.view));
    this.view = element("section", "alerts", head, this.empty, element("div", "scroll", this.list));
  }

  // What came before the page is no news; what came while the connection was lost is.
  replace(alerts) {
    [...alerts].reverse().forEach((alert) => this.add(alert, this.hasBegun));
    this.hasBegun = true;
  }

  add(alert, isNew) {
    if (this.known.has(alert.id)) return;
    this.known.add(alert.id);
    this.empty.hidden = true;
    this.list.prepend(alertCard(alert, isNew));
    while (this.list.children.length > ALERTS_SHOWN) this.list.lastChild.remove();
    if (!isNew) return;
    this.sound.play(alert.direction);
    this.notices.show(alert);
  }
}

function alertCard(alert, isNew) {
  const side = alert.direction === "down" ? "down" : "up";
  const symbol = element("a", "", alert.symbol);
  symbol.href = `/alerts?alert=${encodeURIComponent(alert.id)}`;
  const done = element("span", "soft");
  done.setAttribute("role", "status");
  const snooze = cardButton("Snooze 1 h", alert.symbol, done, async () => {
    const until = Date.now() + HOUR_MS;
    await post("/api/mutes", { scope: "instrument", subject: alert.symbol, until_ms: until });
    return `Snoozed until ${minute.format(until)}`;
  });
  const pause = cardButton(alert.is_of_watchlist ? "Pause watchlist rule" : "Pause rule", alert.symbol, done, async () => {
    await post(`/api/rules/${encodeURIComponent(alert.rule)}/pause`);
    return "Rule paused";
  });
  return element(
    "li",
    isNew ? "new" : "",
    element("span", `arrow ${side}`, side === "down" ? "▼" : "▲"),
    element(
      "div",
      "what",
      symbol,
      ` ${alert.what}`,
      element("span", "soft", `${alert.price} from ${alert.reference}`),
      element("span", "acts", snooze, pause, done),
    ),
    element("time", "soft", when(alert.time_ms)),
  );
}

// `done` says afterwards what was done to the `subject`, or why not.
function cardButton(text, subject, done, act) {
  const button = element("button", "act", text);
  button.type = "button";
  button.setAttribute("aria-label", `${text}: ${subject}`);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      setText(done, await act());
    } catch (error) {
      setText(done, error.message);
      button.disabled = false;
    }
  });
  return button;
}

async function post(path, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const answer = await fetch(path, { method: "POST", headers, body: body && JSON.stringify(body) });
  if (answer.ok) return;
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.detail ?? problem.title ?? `Not done (${answer.status})`);
}

function when(time) {
  return day.format(time) === day.format(Date.now()) ? clock.format(time) : `${day.format(time)} ${clock.format(time)}`;
}
