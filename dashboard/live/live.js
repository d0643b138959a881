// Listens to the relay and keeps three things up to date: the status strip, the prices, the alerts.
// Whatever comes from outside goes into the page as text, never as markup.

const asset = (name) => import(new URL(`/assets/${name}`, location.origin).href);
const [{ element, setClass, setText }, { Relay, addressOf }] = await Promise.all([asset("elements.mjs"), asset("relay.mjs")]);

const STALE_MS = 5000;
const ALERTS_SHOWN = 50;
const HOUR_MS = 3600000;
const TREND_POINTS = 60;
// Order and trends may lag behind; prices may not.
const REFRESH_EVERY_MS = 3000;
const FLASH_MS = 500;
const FADE_EVERY_MS = 250;
const MINUTE_MS = 60000;

const FEED_STATES = {
  starting: "Starting",
  login_needed: "Login needed",
  connecting: "Connecting",
  streaming: "Streaming",
  stale: "Stale",
  unknown: "Unknown",
};
const LEVELS = { good: "All is well", wait: "Look at this", bad: "Not well" };

const rupees = new Intl.NumberFormat("en-IN", { minimumFractionDigits: 2, maximumFractionDigits: 4 });
const count = new Intl.NumberFormat("en-IN");
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Kolkata", timeStyle: "medium" });
const minute = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Kolkata", timeStyle: "short" });
const day = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Kolkata", day: "numeric", month: "short" });
const weekday = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Kolkata", weekday: "short" });

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
    this.status = new StatusStrip();
    this.prices = new Prices(data.symbols);
    this.alerts = new Alerts();
    this.view = element("div", "live", this.status.view, element("div", "columns", this.prices.view, this.alerts.view));
    root.append(this.view);
    this.relay = new Relay(addressOf(data), {}, (frame) => this.show(frame), (state) => this.status.showLink(state));
    this.timers = [
      setInterval(() => this.status.showAge(), 1000),
      setInterval(() => this.prices.fade(), FADE_EVERY_MS),
      setInterval(() => this.prices.refresh(), REFRESH_EVERY_MS),
    ];
  }

  show(frame) {
    this.status.heard(frame.dropped);
    if (frame.status) this.status.show(frame.status);
    if (frame.trends) this.prices.showTrends(frame.trends);
    if (frame.quotes) this.prices.show(frame.quotes);
    if (frame.triggers) this.prices.showTriggers(frame.triggers, frame.type === "snapshot");
    if (frame.type === "snapshot") this.alerts.replace(frame.alerts);
    if (frame.type === "alert") this.alerts.add(frame.alert, true);
  }

  close() {
    this.timers.forEach(clearInterval);
    this.relay.close();
    this.prices.close();
    this.view.remove();
  }
}

class StatusStrip {
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
    this.fact("Market", session ? told(session, now) : "–");
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
function told({ is_open: isOpen, turn_ms: turn }, now) {
  if (!turn) return "Always open";
  const at = day.format(turn) === day.format(now) ? minute.format(turn) : `${weekday.format(turn)} ${minute.format(turn)}`;
  const left = Math.max(0, Math.ceil((turn - now) / MINUTE_MS));
  const wait = left < 60 ? `${left} min` : left < 1440 ? `${Math.floor(left / 60)} h ${left % 60} min` : "";
  return `${isOpen ? "Open, closes" : "Closed, opens"} ${at}${wait ? ` (in ${wait})` : ""}`;
}

// Of hundreds of instruments some thirty rows are in sight: only those are drawn, all that changed in one go a frame.
class Prices {
  constructor(symbols) {
    this.rows = new Map();
    this.changed = new Set();
    this.flashing = new Set();
    this.order = "symbol";
    this.filter = element("input", "filter");
    this.filter.type = "search";
    this.filter.placeholder = "Filter";
    this.filter.setAttribute("aria-label", "Filter instruments");
    this.filter.addEventListener("input", () => this.arrange());
    this.body = element("tbody");
    for (const [token, symbol] of Object.entries(symbols)) this.rows.set(token, new PriceRow(symbol));
    const heads = [
      ["symbol", "Instrument"], ["last", "Price"], ["change", "Change"], ["trend", "Last hour"], ["away", "To trigger"], ["time", "Time"],
    ];
    const head = element("tr", "", ...heads.map(([name, title]) => this.head(name, title)));
    const table = element("table", "", element("thead", "", head), this.body);
    const scroll = element("div", "scroll", table);
    this.view = element("section", "prices", element("h2", "", "Prices", this.filter), scroll);
    this.rowOf = new WeakMap([...this.rows.values()].map((row) => [row.view, row]));
    this.sight = new IntersectionObserver((entries) => this.look(entries), { root: scroll, rootMargin: "200px 0px" });
    this.rows.forEach((row) => this.sight.observe(row.view));
    this.arrange();
  }

  close() {
    this.sight.disconnect();
    cancelAnimationFrame(this.frame);
  }

  look(entries) {
    for (const { target, isIntersecting } of entries) {
      const row = this.rowOf.get(target);
      row.isInSight = isIntersecting;
      if (isIntersecting) this.change(row);
    }
  }

  change(row) {
    if (!row.isInSight) return;
    this.changed.add(row);
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = undefined;
    for (const row of this.changed) if (row.draw()) this.flashing.add(row);
    this.changed.clear();
  }

  // A colour that comes and goes in two steps: one that fades would have the browser paint sixty times a second.
  fade() {
    const now = performance.now();
    for (const row of this.flashing) if (row.endFlash(now)) this.flashing.delete(row);
  }

  head(name, title) {
    const cell = element("th", name);
    if (name === "trend") {
      cell.textContent = title;
      return cell;
    }
    const button = element("button", "", title);
    button.addEventListener("click", () => {
      this.order = name;
      this.arrange();
    });
    cell.append(button);
    cell.dataset.order = name;
    return cell;
  }

  show(quotes) {
    this.each(quotes, (row, quote) => row.show(...quote));
  }

  showTrends(trends) {
    this.each(trends, (row, trend) => row.startTrend(trend));
  }

  showTriggers(triggers, isAll) {
    if (isAll) this.rows.forEach((row) => row.setTriggers([]));
    this.each(triggers, (row, found) => row.setTriggers(found));
  }

  each(byToken, act) {
    for (const [token, value] of Object.entries(byToken)) {
      const row = this.rows.get(token);
      if (!row) continue;
      act(row, value);
      this.change(row);
    }
  }

  // Rows keep their place under the hand of whoever points at one or works in them by keyboard.
  refresh() {
    this.rows.forEach((row) => row.isInSight && row.drawTrend());
    if (this.order !== "symbol" && !this.body.matches(":hover, :focus-within")) this.arrange();
  }

  arrange() {
    const wanted = this.filter.value.trim().toUpperCase();
    const shown = [...this.rows.values()].filter((row) => row.symbol.toUpperCase().includes(wanted));
    shown.sort(ORDERS[this.order]);
    const isSame = shown.length === this.body.children.length && shown.every((row, place) => this.body.children[place] === row.view);
    if (!isSame) this.body.replaceChildren(...shown.map((row) => row.view));
    for (const head of this.view.querySelectorAll("th[data-order]")) {
      head.setAttribute("aria-sort", head.dataset.order !== this.order ? "none" : UPWARDS.has(this.order) ? "ascending" : "descending");
    }
  }
}

// Names and distances upwards, other numbers from the largest.
const UPWARDS = new Set(["symbol", "away"]);
const ORDERS = {
  symbol: (a, b) => a.symbol.localeCompare(b.symbol),
  last: (a, b) => b.last - a.last,
  change: (a, b) => b.change - a.change,
  time: (a, b) => b.time - a.time,
  away: (a, b) => a.away - b.away,
};

class PriceRow {
  constructor(symbol) {
    this.symbol = symbol;
    this.last = this.change = this.time = -Infinity;
    this.away = Infinity;
    this.triggers = [];
    this.trend = [];
    this.isInSight = false;
    this.lastCell = element("td", "last", "–");
    this.changeCell = element("td", "change", "");
    this.trendCell = element("td", "trend");
    this.awayCell = element("td", "away", "");
    this.timeCell = element("td", "time", "");
    const name = element("a", "", symbol);
    name.href = `/instrument?symbol=${encodeURIComponent(symbol)}`;
    const cells = [this.lastCell, this.changeCell, this.trendCell, this.awayCell, this.timeCell];
    this.view = element("tr", "", element("td", "symbol", name), ...cells);
  }

  show(last, change, time) {
    this.last = Number(last);
    this.time = time;
    if (change !== "") this.change = Number(change);
    this.grow(time);
    this.updateAway();
  }

  // Returns whether the price flashes now.
  draw() {
    if (!Number.isFinite(this.last)) return false;
    const before = this.drawn;
    this.drawn = this.last;
    setText(this.lastCell, rupees.format(this.last));
    setText(this.timeCell, clock.format(this.time));
    if (Number.isFinite(this.change)) {
      setText(this.changeCell, `${this.change > 0 ? "+" : ""}${this.change.toFixed(2)} %`);
      setClass(this.changeCell, `change ${this.change < 0 ? "down" : this.change > 0 ? "up" : ""}`);
    }
    this.drawAway();
    if (!this.line) this.drawTrend();
    if (before === undefined || before === this.last) return false;
    this.flashEnds = performance.now() + FLASH_MS;
    setClass(this.lastCell, this.last > before ? "last rose" : "last fell");
    return true;
  }

  endFlash(now) {
    if (now < this.flashEnds) return false;
    setClass(this.lastCell, "last");
    return true;
  }

  startTrend(trend) {
    this.trend = [...trend];
    this.minute = undefined;
    this.isDirty = true;
  }

  // The running minute is the newest point.
  grow(time) {
    const minute = Math.floor(time / MINUTE_MS);
    if (minute === this.minute) this.trend.pop();
    this.minute = minute;
    this.trend.push(this.last);
    if (this.trend.length > TREND_POINTS) this.trend.shift();
    this.isDirty = true;
  }

  drawTrend() {
    if (!this.isDirty || this.trend.length < 2) return;
    this.isDirty = false;
    if (!this.line) {
      this.line = drawing("polyline", { fill: "none", "stroke-width": "1.5", "vector-effect": "non-scaling-stroke" });
      const picture = drawing("svg", { viewBox: "0 0 60 20", preserveAspectRatio: "none", "aria-hidden": "true" });
      picture.append(this.line);
      this.trendCell.append(picture);
    }
    const low = Math.min(...this.trend), span = Math.max(...this.trend) - low || 1;
    const step = 60 / (this.trend.length - 1);
    const points = this.trend.map((price, place) => `${(place * step).toFixed(1)},${(19 - ((price - low) / span) * 18).toFixed(1)}`);
    this.line.setAttribute("points", points.join(" "));
    this.line.setAttribute("class", this.trend.at(-1) < this.trend[0] ? "down" : "up");
  }

  setTriggers(triggers) {
    this.triggers = triggers.map(([side, price, rule]) => ({ side, price: Number(price), rule }));
    this.updateAway();
  }

  updateAway() {
    const away = ({ price }) => Math.abs(price - this.last);
    this.nearest = this.triggers.reduce((best, it) => (!best || away(it) < away(best) ? it : best), undefined);
    this.away = this.nearest && Number.isFinite(this.last) ? (away(this.nearest) * 100) / this.last : Infinity;
  }

  drawAway() {
    if (!Number.isFinite(this.away)) return setText(this.awayCell, "");
    const { side, price, rule } = this.nearest;
    const percent = ((price - this.last) * 100) / this.last;
    setText(this.awayCell, `${side === "up" ? "▲" : "▼"} ${percent > 0 ? "+" : ""}${percent.toFixed(2)} %`);
    const title = `${rule} fires at ${rupees.format(price)}`;
    if (this.awayCell.title !== title) this.awayCell.title = title;
  }
}

class Alerts {
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
    "li", isNew ? "new" : "",
    element("span", `arrow ${side}`, side === "down" ? "▼" : "▲"),
    element("div", "what", symbol, ` ${alert.what}`, element("span", "soft", `${alert.price} from ${alert.reference}`),
      element("span", "acts", snooze, pause, done)),
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

// A choice that this browser remembers.
class Choice {
  constructor(name, text, onChange = () => {}) {
    this.name = `storm-${name}`;
    this.box = element("input");
    this.box.type = "checkbox";
    this.box.checked = remembered(this.name) === "on";
    this.box.addEventListener("change", () => {
      remember(this.name, this.box.checked ? "on" : "off");
      if (this.box.checked) onChange();
    });
    this.view = element("label", "choice", this.box, text);
  }

  get isOn() {
    return this.box.checked;
  }
}

class Sound extends Choice {
  constructor() {
    // Browsers let a page make sounds after somebody did something on it.
    super("sound", "Sound", () => this.play("up"));
    if (this.isOn) addEventListener("pointerdown", () => this.open(), { once: true });
  }

  open() {
    this.context ??= new AudioContext();
    if (this.context.state === "suspended") this.context.resume();
    this.view.title = "";
  }

  play(direction) {
    if (!this.isOn) return;
    this.open();
    if (this.context.state === "suspended") this.view.title = "Click anywhere on the page: browsers want that before it makes a sound.";
    const tone = this.context.createOscillator(), loudness = this.context.createGain(), now = this.context.currentTime;
    tone.frequency.setValueAtTime(direction === "down" ? 660 : 880, now);
    tone.frequency.exponentialRampToValueAtTime(direction === "down" ? 440 : 1320, now + 0.18);
    loudness.gain.setValueAtTime(0.15, now);
    loudness.gain.exponentialRampToValueAtTime(0.001, now + 0.35);
    tone.connect(loudness).connect(this.context.destination);
    tone.start(now);
    tone.stop(now + 0.36);
  }
}

class Notices extends Choice {
  constructor() {
    super("notices", "Notify", () => this.ask());
    if (!("Notification" in window)) this.view.hidden = true;
    else if (this.isOn && Notification.permission !== "granted") this.refuse();
  }

  async ask() {
    if ((await Notification.requestPermission()) !== "granted") this.refuse();
  }

  refuse() {
    this.box.checked = false;
    remember(this.name, "off");
    this.view.title = "This browser does not allow notifications from this page.";
  }

  show(alert) {
    if (!this.isOn) return;
    try {
      new Notification(alert.symbol, { body: `${alert.what}: ${alert.price} from ${alert.reference}`, tag: alert.id });
    } catch {
      // Chrome on Android allows them to service workers only.
      this.refuse();
    }
  }
}

// A browser may forbid a page to remember anything.
function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Then it holds as long as the page.
  }
}

function drawing(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  return made;
}

function when(time) {
  return day.format(time) === day.format(Date.now()) ? clock.format(time) : `${day.format(time)} ${clock.format(time)}`;
}
