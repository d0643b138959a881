// One instrument's row: price, change, the last hour as a line, and how far it is to the nearest trigger.

import { element, setClass, setText } from "../elements.mjs";
import { clock, MINUTE_MS, percent, rupees } from "../formats.mjs";

const TREND_POINTS = 60;
const FLASH_MS = 500;

export class PriceRow {
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
      setText(this.changeCell, percent(this.change));
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
    const points = this.trend.map((price, place) =>
      `${(place * step).toFixed(1)},${(19 - ((price - low) / span) * 18).toFixed(1)}`
    );
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
    setText(this.awayCell, `${side === "up" ? "▲" : "▼"} ${percent(((price - this.last) * 100) / this.last)}`);
    const title = `${rule} fires at ${rupees.format(price)}`;
    if (this.awayCell.title !== title) this.awayCell.title = title;
  }
}

function drawing(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  return made;
}
