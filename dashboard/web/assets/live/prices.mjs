// The table of prices, with its order and its filter.

import { element } from "../elements.mjs";
import { PriceRow } from "./price_row.mjs";

// Of hundreds of instruments some thirty rows are in sight: only those are drawn, all that changed in one go a frame.
export class Prices {
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
      ["symbol", "Instrument"],
      ["last", "Price"],
      ["change", "Change"],
      ["trend", "Last hour"],
      ["away", "To trigger"],
      ["time", "Time"],
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
    const isSame = shown.length === this.body.children.length &&
      shown.every((row, place) => this.body.children[place] === row.view);
    if (!isSame) this.body.replaceChildren(...shown.map((row) => row.view));
    for (const head of this.view.querySelectorAll("th[data-order]")) {
      head.setAttribute(
        "aria-sort",
        head.dataset.order !== this.order ? "none" : UPWARDS.has(this.order) ? "ascending" : "descending",
      );
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
