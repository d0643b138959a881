// The status strip: is all well, does the relay speak, and the figures of the market, the feed and the queue.

import { element, setClass, setText } from "../elements.mjs";
import { clock, count, day, minute, MINUTE_MS, weekday } from "../formats.mjs";

const STALE_MS = 5000;

const FEED_STATES = {
  starting: "Starting",
  login_needed: "Login needed",
  connecting: "Connecting",
  streaming: "Streaming",
  stale: "Stale",
  unknown: "Unknown",
};
const LEVELS = { good: "All is well", wait: "Look at this", bad: "Not well" };

export class StatusStrip {
  constructor() {
    this.badge = element("span", "badge wait", "Connecting");
    this.reasons = element("span", "reasons");
    this.link = element("span", "link", "");
    this.facts = element("dl", "facts");
    this.cells = new Map();
    const said = element("div", "said", this.badge, this.reasons, this.link);
    said.setAttribute("role", "status");
    this.view = element("div", "status", said, this.facts);
    this.heardAt = 0;
  }

  heard(dropped) {
    this.heardAt = Date.now();
    if (dropped) this.wasDropped = dropped;
  }

  show({ feed, waiting, session, figures, health, time_ms: now }) {
    setClass(this.badge, `badge ${health.level}`);
    setText(this.badge, LEVELS[health.level]);
    setText(this.reasons, health.reasons.join(" "));
    this.fact("Market", session ? marketText(session, now) : "–");
    this.fact("Feed", feedText(feed));
    this.fact("Ticks", `${count.format(feed.ticks_per_s ?? 0)}/s`);
    this.fact("Tick to alert", figures ? `${count.format(figures.latency_ms)} ms` : "–");
    this.fact("Workers", figures ? count.format(figures.workers) : "–");
    this.fact("Queue", figures ? count.format(figures.queued) : "–");
    this.fact("Lag", waiting ? `${count.format(waiting.ticks)} ticks` : "–");
  }

  fact(name, text) {
    if (!this.cells.has(name)) {
      this.cells.set(name, element("dd"));
      this.facts.append(element("div", "", element("dt", "", name), this.cells.get(name)));
    }
    setText(this.cells.get(name), text);
  }

  // What was told some time ago is not shown as if it were so now.
  doubt() {
    setClass(this.badge, "badge wait");
    setText(this.badge, "Not known now");
    setText(this.reasons, "");
    this.cells.forEach((cell) => setText(cell, "–"));
  }

  showLink(state) {
    this.state = state;
    if (state !== "live") this.doubt();
    if (state === "signed out") {
      const again = element("a", "", "Sign in again");
      again.href = "/login";
      this.link.replaceChildren("You are signed out. ", again);
    } else setText(this.link, state === "live" ? "Connected" : "Connection lost, trying again …");
    setClass(this.link, `link ${state === "live" ? "good" : "bad"}`);
    this.link.title = this.wasDropped ?? "";
  }

  showAge() {
    if (this.state !== "live" || Date.now() - this.heardAt <= STALE_MS) return;
    this.doubt();
    // Not the seconds since then: a screen reader would say each.
    setText(this.link, `Nothing heard since ${clock.format(this.heardAt)}`);
    setClass(this.link, "link bad");
  }
}

function feedText(feed) {
  const parts = [FEED_STATES[feed.state] ?? "Not there yet"];
  if (feed.instruments) parts.push(`${count.format(feed.instruments)} instruments`);
  return parts.join(" · ");
}

// Open, closes 15:30 (in 2 h 10 min); Closed, opens Mon 09:15.
function marketText({ is_open: isOpen, turn_ms: turn }, now) {
  if (!turn) return "Always open";
  const at = day.format(turn) === day.format(now) ? minute.format(turn) : `${weekday.format(turn)} ${minute.format(turn)}`;
  const left = Math.max(0, Math.ceil((turn - now) / MINUTE_MS));
  const wait = left < 60 ? `${left} min` : left < 1440 ? `${Math.floor(left / 60)} h ${left % 60} min` : "";
  return `${isOpen ? "Open, closes" : "Closed, opens"} ${at}${wait ? ` (in ${wait})` : ""}`;
}
