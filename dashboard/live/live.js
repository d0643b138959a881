// Listens to the relay and keeps three things up to date: the status line, the prices, the alerts.
// Whatever comes from outside goes into the page as text, never as markup.

const STALE_MS = 5000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const SIGNED_OUT = 4401;
const ALERTS_SHOWN = 50;

const FEED_STATES = {
  starting: ["Starting", "wait"],
  login_needed: ["Login needed", "bad"],
  connecting: ["Connecting", "wait"],
  streaming: ["Streaming", "good"],
  stale: ["Stale", "bad"],
  unknown: ["Unknown", "bad"],
};

const rupees = new Intl.NumberFormat("en-IN", { minimumFractionDigits: 2, maximumFractionDigits: 4 });
const count = new Intl.NumberFormat("en-IN");
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Kolkata", timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Kolkata", day: "numeric", month: "short" });

const pages = new WeakMap();

export default function ({ parentElement, data }) {
  pages.get(parentElement)?.close();
  const page = new Page(parentElement, data);
  pages.set(parentElement, page);
  return () => page.close();
}

class Page {
  constructor(root, data) {
    this.root = root;
    this.status = new StatusLine();
    this.prices = new Prices(data.symbols);
    this.alerts = new Alerts();
    this.view = element("div", "live", this.status.view, element("div", "columns", this.prices.view, this.alerts.view));
    root.append(this.view);
    this.relay = new Relay(addressOf(data), (frame) => this.show(frame), (state) => this.status.showLink(state));
    this.timer = setInterval(() => this.status.showAge(), 1000);
  }

  show(frame) {
    this.status.heard();
    if (frame.status) this.status.show(frame.status);
    if (frame.quotes) this.prices.show(frame.quotes);
    if (frame.type === "snapshot") this.alerts.replace(frame.alerts);
    if (frame.type === "alert") this.alerts.add(frame.alert);
  }

  close() {
    clearInterval(this.timer);
    this.relay.close();
    this.view.remove();
  }
}

class Relay {
  constructor(address, onFrame, onState) {
    this.address = address;
    this.onFrame = onFrame;
    this.onState = onState;
    this.failures = 0;
    this.open();
  }

  open() {
    this.socket = new WebSocket(this.address);
    this.socket.onmessage = (message) => {
      this.failures = 0;
      this.onState("live");
      this.onFrame(JSON.parse(message.data));
    };
    this.socket.onclose = (closed) => {
      if (closed.code === SIGNED_OUT) return this.onState("signed out");
      this.onState("lost");
      // Spread, so that not everybody comes back at once.
      const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)] * (0.5 + Math.random());
      this.retry = setTimeout(() => this.open(), wait);
    };
  }

  close() {
    clearTimeout(this.retry);
    this.socket.onclose = this.socket.onmessage = null;
    this.socket.close();
  }
}

class StatusLine {
  constructor() {
    this.badge = element("span", "badge wait", "Connecting");
    this.facts = element("span", "facts");
    this.link = element("span", "link", "");
    this.warning = element("div", "warning");
    this.warning.hidden = true;
    this.view = element("div", "status", this.badge, this.facts, this.link, this.warning);
    this.view.setAttribute("role", "status");
    this.heardAt = 0;
  }

  heard() {
    this.heardAt = Date.now();
  }

  show({ feed, waiting, missing }) {
    const [name, look] = FEED_STATES[feed.state] ?? ["No feed yet", "wait"];
    this.badge.textContent = name;
    this.badge.className = `badge ${look}`;
    const facts = [];
    if (feed.state !== "streaming" && feed.reason) facts.push(feed.reason);
    if (feed.instruments) facts.push(`${count.format(feed.instruments)} instruments`);
    if (feed.left_out) facts.push(`${count.format(feed.left_out)} left out: Kite takes 9,000`);
    if (feed.state === "streaming") facts.push(`${count.format(feed.ticks_per_s ?? 0)} ticks/s`);
    if (waiting?.ticks > 5000) facts.push(`${count.format(waiting.ticks)} ticks wait`);
    setText(this.facts, facts.join(" · "));
    this.warning.hidden = missing.length === 0;
    setText(this.warning, missing.length ? `Alerts are delayed: ${missing.join(", ")} not running.` : "");
  }

  showLink(state) {
    this.state = state;
    if (state === "signed out") {
      const again = element("a", "", "Sign in again");
      again.href = "/login";
      this.link.replaceChildren("You are signed out. ", again);
    } else setText(this.link, state === "live" ? "Connected" : "Connection lost, trying again …");
    this.link.className = `link ${state === "live" ? "good" : "bad"}`;
  }

  showAge() {
    const age = Date.now() - this.heardAt;
    if (this.state === "live" && age > STALE_MS) setText(this.link, `Nothing heard for ${Math.round(age / 1000)} s`);
  }
}

class Prices {
  constructor(symbols) {
    this.rows = new Map();
    this.order = "symbol";
    this.filter = element("input", "filter");
    this.filter.type = "search";
    this.filter.placeholder = "Filter";
    this.filter.setAttribute("aria-label", "Filter instruments");
    this.filter.addEventListener("input", () => this.arrange());
    this.body = element("tbody");
    for (const [token, symbol] of Object.entries(symbols)) this.rows.set(token, new PriceRow(symbol));
    const heads = [["symbol", "Instrument"], ["last", "Price"], ["change", "Change"], ["time", "Time"]];
    const head = element("tr", "", ...heads.map(([name, title]) => this.head(name, title)));
    const table = element("table", "", element("thead", "", head), this.body);
    this.view = element("section", "prices", element("h2", "", "Prices", this.filter), element("div", "scroll", table));
    this.arrange();
  }

  head(name, title) {
    const button = element("button", "", title);
    button.addEventListener("click", () => {
      this.order = name;
      this.arrange();
    });
    const cell = element("th", name, button);
    cell.dataset.order = name;
    return cell;
  }

  show(quotes) {
    for (const [token, quote] of Object.entries(quotes)) this.rows.get(token)?.show(...quote);
  }

  arrange() {
    const wanted = this.filter.value.trim().toUpperCase();
    const shown = [...this.rows.values()].filter((row) => row.symbol.toUpperCase().includes(wanted));
    // Names upwards, numbers from the largest.
    shown.sort((a, b) => (this.order === "symbol" ? a.symbol.localeCompare(b.symbol) : b[this.order] - a[this.order]));
    this.body.replaceChildren(...shown.map((row) => row.view));
    for (const head of this.view.querySelectorAll("th")) {
      head.setAttribute("aria-sort", head.dataset.order !== this.order ? "none" : this.order === "symbol" ? "ascending" : "descending");
    }
  }
}

class PriceRow {
  constructor(symbol) {
    this.symbol = symbol;
    this.last = this.change = this.time = -Infinity;
    this.lastCell = element("td", "last", "–");
    this.changeCell = element("td", "change", "");
    this.timeCell = element("td", "time", "");
    this.view = element("tr", "", element("td", "symbol", symbol), this.lastCell, this.changeCell, this.timeCell);
  }

  show(last, change, time) {
    const before = this.last;
    this.last = Number(last);
    this.time = time;
    setText(this.lastCell, rupees.format(this.last));
    setText(this.timeCell, clock.format(time));
    if (change !== "") {
      this.change = Number(change);
      setText(this.changeCell, `${this.change > 0 ? "+" : ""}${change} %`);
      this.changeCell.className = `change ${this.change < 0 ? "down" : this.change > 0 ? "up" : ""}`;
    }
    if (Number.isFinite(before) && before !== this.last) flash(this.lastCell, this.last > before ? "up" : "down");
  }
}

class Alerts {
  constructor() {
    this.list = element("ol");
    this.list.setAttribute("aria-live", "polite");
    this.empty = element("p", "empty", "No alerts yet. They appear here the moment a rule fires.");
    this.known = new Set();
    this.view = element("section", "alerts", element("h2", "", "Alerts"), this.empty, element("div", "scroll", this.list));
  }

  replace(alerts) {
    // At a reconnect only what is new is announced.
    if (this.known.size) return [...alerts].reverse().forEach((alert) => this.add(alert));
    this.list.replaceChildren();
    [...alerts].reverse().forEach((alert) => this.add(alert, false));
  }

  add(alert, isNew = true) {
    if (this.known.has(alert.id)) return;
    this.known.add(alert.id);
    this.empty.hidden = true;
    const side = alert.direction === "down" ? "down" : "up";
    const item = element(
      "li", isNew ? "new" : "",
      element("span", `arrow ${side}`, side === "down" ? "▼" : "▲"),
      element("div", "what", element("b", "", alert.symbol), ` ${alert.what}`, element("span", "soft", `${alert.price} from ${alert.reference}`)),
      element("time", "soft", when(alert.time_ms)),
    );
    this.list.prepend(item);
    while (this.list.children.length > ALERTS_SHOWN) this.list.lastChild.remove();
  }
}

function addressOf({ url, port }) {
  if (url) return url;
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.hostname}:${port}/ws`;
}

function element(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function flash(node, side) {
  node.getAnimations().forEach((running) => running.cancel());
  const colour = getComputedStyle(node).getPropertyValue(`--${side}`);
  node.animate([{ backgroundColor: `color-mix(in srgb, ${colour} 30%, transparent)` }, { backgroundColor: "transparent" }], 900);
}

function when(time) {
  return day.format(time) === day.format(Date.now()) ? clock.format(time) : `${day.format(time)} ${clock.format(time)}`;
}
