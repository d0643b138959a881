// Minutes as candles, with lines at prices and marks at moments. The newest minute follows the relay.
// Whatever comes from outside goes into the page as text, never as markup.

const asset = (name) => import(new URL(`/assets/${name}`, location.origin).href);
const assets = ["lightweight-charts-5.2.1.mjs", "elements.mjs", "formats.mjs", "relay.mjs"];
const [draw, { element }, { rupees }, { Relay, addressOf }] = await Promise.all(assets.map(asset));

// The library draws UTC: moved by this much it shows India's clocks, wherever the reader is.
const IST_S = 19800;
const MINUTE_S = 60;
const E4 = 10000;
const FOCUS_BARS = 45;
const BARS_AT_FIRST = 400;
// Room for so many: the first minutes of a day are no walls.
const BARS_LEAST = 60;
// Lines widen the range of prices only as far as the candles keep this share of the height.
const CANDLES_SHARE = 0.35;
const TEXTS_MAX = 12;
const NARROW_PX = 560;
const BEYOND_MAX = 3;
const ARROWS = { up: "▲", down: "▼", reference: "◆" };

// Of moved times.
const moment = new Intl.DateTimeFormat("en-GB", {
  timeZone: "UTC",
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});

const charts = new WeakMap();

export default function ({ parentElement, data }) {
  // A rerun comes with the same data mostly: what is drawn stays, and so does what the reader zoomed to.
  if (!charts.has(parentElement)) charts.set(parentElement, new Chart(parentElement, data));
  charts.get(parentElement).show(data);
  return () => {
    charts.get(parentElement)?.close();
    charts.delete(parentElement);
  };
}

class Chart {
  constructor(root, data) {
    this.shown = {};
    this.bars = [];
    this.priceLines = [];
    this.said = element("div", "said");
    this.canvas = element("div", "canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "figure");
    this.above = element("div", "beyond above");
    this.below = element("div", "beyond below");
    this.view = element("div", "chart", this.said, element("div", "stage", this.canvas, this.above, this.below));
    this.canvas.style.height = `${data.height_px}px`;
    root.append(this.view);
    this.chart = draw.createChart(this.canvas, {
      autoSize: true,
      layout: { attributionLogo: true, fontSize: 12 },
      localization: {
        locale: "en-IN",
        priceFormatter: (price) => rupees.format(price),
        timeFormatter: (time) => moment.format(time * 1000),
      },
      timeScale: {
        timeVisible: true,
        secondsVisible: false,
        rightOffset: 3,
        minBarSpacing: 0.1,
        lockVisibleTimeRangeOnResize: true,
      },
      crosshair: { mode: draw.CrosshairMode.Normal },
      // The page scrolls by wheel and by finger; the chart by dragging sideways, and zooms by pinching.
      handleScroll: { mouseWheel: false, vertTouchDrag: false },
      handleScale: { mouseWheel: false },
    });
    this.series = this.chart.addSeries(draw.CandlestickSeries, {
      autoscaleInfoProvider: (original) => this.widened(original()),
      priceLineStyle: draw.LineStyle.Dotted,
    });
    this.markers = draw.createSeriesMarkers(this.series, []);
    this.chart.subscribeCrosshairMove(({ time }) => this.say(time));
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      // How many minutes are seen, for tests.
      if (range) this.canvas.dataset.bars = (range.to - range.from).toFixed(1);
      this.lookBeyond();
    });
    this.canvas.addEventListener("keydown", (pressed) => this.steer(pressed));
    this.canvas.addEventListener("wheel", (turned) => this.zoomByWheel(turned), { passive: false });
    this.view.addEventListener("transitionend", ({ target }) => target === this.view && this.paint());
    this.resized = new ResizeObserver(() => {
      this.drawLines();
      this.drawMarks();
    });
    this.resized.observe(this.canvas);
    this.paint();
  }

  show(data) {
    const before = this.shown;
    this.shown = data;
    this.canvas.style.height = `${data.height_px}px`;
    this.canvas.setAttribute("aria-label", data.alternative);
    const isSame = (name) => JSON.stringify(before[name]) === JSON.stringify(data[name]);
    if (!isSame("bars")) this.setBars(data.bars, !isSame("live_token"));
    if (!isSame("lines")) this.drawLines();
    if (!isSame("marks") || !isSame("bars")) this.drawMarks();
    if (!isSame("focus_ms") || !overlap(before.bars, data.bars)) this.frame();
    if (!isSame("live_token")) this.follow(data.live_token);
    this.say();
  }

  setBars(rows, isOther) {
    const running = isOther || !this.isLive ? undefined : this.bars.at(-1);
    this.bars = rows.map(([time, ...prices]) => {
      const [open, high, low, close] = prices.map((price) => price / E4);
      return { time: time + IST_S, open, high, low, close };
    });
    // What the relay told of the running minute is newer than what the server has of it.
    const last = this.bars.at(-1);
    if (running && last && running.time > last.time) this.bars.push(running);
    if (running && running.time === last?.time) extend(last, running);
    const isFine = rows.some(([, ...prices]) => prices.some((price) => price % 100));
    this.series.applyOptions({ priceFormat: { type: "price", precision: isFine ? 4 : 2, minMove: isFine ? 0.0001 : 0.01 } });
    this.series.setData(this.bars);
  }

  drawLines() {
    this.priceLines.forEach((line) => this.series.removePriceLine(line));
    const isNarrow = this.canvas.clientWidth < NARROW_PX;
    this.priceLines = (this.shown.lines ?? []).map(({ price_e4: price, text, tone }) =>
      this.series.createPriceLine({
        price: price / E4,
        color: this.colour(tone),
        lineWidth: 1,
        lineStyle: tone === "reference" ? draw.LineStyle.Solid : draw.LineStyle.Dashed,
        title: isNarrow ? ARROWS[tone] : `${ARROWS[tone]} ${text}`,
      })
    );
    this.rescale();
  }

  drawMarks() {
    const marks = this.shown.marks ?? [];
    const hasRoom = marks.length <= TEXTS_MAX && this.canvas.clientWidth >= NARROW_PX;
    this.marked = new Map();
    let place = 0;
    for (const mark of marks) {
      const time = Math.floor(mark.time_ms / 1000) + IST_S;
      while (place + 1 < this.bars.length && this.bars[place + 1].time <= time) place += 1;
      const bar = this.bars[place];
      if (!bar || bar.time > time) continue;
      if (!this.marked.has(bar.time)) this.marked.set(bar.time, []);
      this.marked.get(bar.time).push(mark);
    }
    const drawn = [];
    for (const [time, those] of this.marked) {
      for (const tone of ["up", "down"]) {
        const alike = those.filter((mark) => mark.tone === tone);
        if (!alike.length) continue;
        const isUp = tone === "up";
        const text = alike.length > 1 ? `${alike.length}` : hasRoom ? alike[0].text : "";
        drawn.push({
          time,
          position: isUp ? "belowBar" : "aboveBar",
          shape: isUp ? "arrowUp" : "arrowDown",
          color: this.colour(tone),
          text,
        });
      }
    }
    this.markers.setMarkers(drawn);
  }

  // What the reader sees first: the moment, or the newest day.
  frame() {
    const count = this.bars.length;
    if (!count) return;
    const scale = this.chart.timeScale();
    const focus = this.shown.focus_ms;
    if (focus === null || focus === undefined) {
      const from = count < BARS_LEAST ? count - BARS_LEAST : Math.max(0, count - BARS_AT_FIRST);
      scale.setVisibleLogicalRange({ from: from - 0.5, to: count + 2.5 });
      return;
    }
    const time = focus / 1000 + IST_S;
    const behind = this.bars.findIndex((bar) => bar.time > time);
    const place = (behind < 0 ? count : behind) - 1;
    const [from, to] = [Math.max(-0.5, place - FOCUS_BARS), Math.min(count + 2.5, place + FOCUS_BARS)];
    scale.setVisibleLogicalRange({ from: Math.min(from, to - BARS_LEAST), to });
  }

  // The range of prices with the lines in it that are near, the nearest first.
  widened(original) {
    const range = original?.priceRange;
    if (!range) return original;
    let { minValue: low, maxValue: high } = range;
    const most = Math.max(high - low, high * 0.001) / CANDLES_SHARE;
    const outside = (price) => Math.max(price - range.maxValue, range.minValue - price);
    const prices = (this.shown.lines ?? []).map((line) => line.price_e4 / E4).sort((a, b) => outside(a) - outside(b));
    for (const price of prices) {
      const wider = [Math.min(low, price), Math.max(high, price)];
      if (wider[1] - wider[0] <= most) [low, high] = wider;
    }
    return { ...original, priceRange: { minValue: low, maxValue: high } };
  }

  // Lines that are too far to be drawn are named at the edge behind which they are.
  lookBeyond() {
    cancelAnimationFrame(this.looking);
    this.looking = requestAnimationFrame(() => {
      const height = this.canvas.clientHeight - this.chart.timeScale().height();
      const at = (line) => this.series.priceToCoordinate(line.price_e4 / E4);
      const lines = (this.shown.lines ?? []).filter((line) => at(line) !== null);
      const above = lines.filter((line) => at(line) < 0).sort((a, b) => a.price_e4 - b.price_e4);
      const below = lines.filter((line) => at(line) > height).sort((a, b) => b.price_e4 - a.price_e4);
      this.above.replaceChildren(...beyond(above, "above"));
      this.below.replaceChildren(...beyond(below, "below").reverse());
    });
  }

  rescale() {
    this.chart.priceScale("right").applyOptions({ autoScale: true });
    this.lookBeyond();
  }

  // The candle under the pointer, or the newest, in words above the chart.
  say(time) {
    const bar = (time && this.bars.find((it) => it.time === time)) ?? this.bars.at(-1);
    if (!bar) {
      return this.said.replaceChildren(element("span", "soft", "No prices yet. The chart begins with the next minute."));
    }
    const side = bar.close < bar.open ? "down" : "up";
    const names = { open: "Open", high: "High", low: "Low", close: "Close" };
    const facts = Object.entries(names).map(([field, name]) => {
      const value = element("span", field === "close" ? side : "", rupees.format(bar[field]));
      return element("span", "", element("span", "soft", `${name} `), value);
    });
    const marks = this.marked?.get(bar.time) ?? [];
    const told = marks.map((mark) => element("span", mark.tone, `${ARROWS[mark.tone]} ${mark.text}`));
    this.said.replaceChildren(
      element("span", "soft", `${moment.format(bar.time * 1000)} IST`),
      ...facts,
      ...told.slice(0, BEYOND_MAX),
    );
  }

  follow(token) {
    this.relay?.close();
    this.relay = undefined;
    this.isLive = token !== null && token !== undefined;
    if (!this.isLive) return;
    const query = { topics: "quotes", tokens: token };
    this.relay = new Relay(
      addressOf(this.shown.relay),
      query,
      (frame) => frame.quotes?.[token] && this.grow(...frame.quotes[token]),
      () => {},
    );
  }

  grow(last, _change, time_ms) {
    const price = Number(last);
    const time = Math.floor(time_ms / 1000 / MINUTE_S) * MINUTE_S + IST_S;
    const newest = this.bars.at(-1);
    if (newest && time < newest.time) return;
    if (newest?.time === time) {
      extend(newest, { high: price, low: price, close: price });
      this.series.update({ ...newest });
    } else {
      const bar = { time, open: price, high: price, low: price, close: price };
      this.bars.push(bar);
      this.series.update({ ...bar });
    }
    this.canvas.setAttribute("aria-label", `${this.shown.alternative} Now ${rupees.format(price)}.`);
    this.say();
    this.lookBeyond();
  }

  paint() {
    const [text, ground, line, up, down, soft] = [
      "--st-text-color",
      "--st-background-color",
      "--line",
      "--up",
      "--down",
      "--soft",
    ].map(
      (name) => this.computed(`var(${name})`),
    );
    const fontFamily = getComputedStyle(this.view).fontFamily;
    this.chart.applyOptions({
      layout: { background: { type: draw.ColorType.Solid, color: ground }, textColor: text, fontFamily },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line },
      crosshair: {
        vertLine: { color: soft, labelBackgroundColor: soft },
        horzLine: { color: soft, labelBackgroundColor: soft },
      },
    });
    // Rising candles are hollow and falling ones filled: the colour is not all that tells.
    this.series.applyOptions({
      upColor: ground,
      borderUpColor: up,
      wickUpColor: up,
      downColor: down,
      borderDownColor: down,
      wickDownColor: down,
      priceLineColor: soft,
    });
    // For tests: what is on a canvas cannot be asked.
    this.canvas.dataset.ground = ground;
    this.drawLines();
    this.drawMarks();
  }

  colour(tone) {
    return this.computed(`var(--${tone})`);
  }

  // As the library reads colours: it knows no variables and no mixtures.
  computed(colour) {
    const probe = element("span");
    probe.style.color = colour;
    this.view.append(probe);
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    pen.fillStyle = getComputedStyle(probe).color;
    pen.fillRect(0, 0, 1, 1);
    probe.remove();
    const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
    return `rgba(${red}, ${green}, ${blue}, ${(alpha / 255).toFixed(3)})`;
  }

  steer(pressed) {
    const act = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], "+": [0, -0.2], "=": [0, -0.2], "-": [0, 0.25] }[pressed.key];
    if (!act || pressed.ctrlKey || pressed.metaKey || pressed.altKey) return;
    pressed.preventDefault();
    this.move(...act);
  }

  // With Ctrl, as maps do, so that the page can be scrolled over the chart.
  zoomByWheel(turned) {
    if (!turned.ctrlKey) return;
    turned.preventDefault();
    this.move(0, turned.deltaY > 0 ? 0.25 : -0.2);
  }

  move(aside, wider) {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (!range) return;
    const span = range.to - range.from, shift = span * aside, more = (span * wider) / 2;
    this.chart.timeScale().setVisibleLogicalRange({ from: range.from + shift - more, to: range.to + shift + more });
  }

  close() {
    this.relay?.close();
    this.resized.disconnect();
    cancelAnimationFrame(this.looking);
    this.chart.remove();
    this.view.remove();
  }
}

// Whether the one goes on from the other: the oldest minute goes as a new one comes.
function overlap(before, after) {
  if (!before?.length || !after.length) return false;
  return before[0][0] <= after.at(-1)[0] && after[0][0] <= before.at(-1)[0];
}

function extend(bar, { high, low, close }) {
  Object.assign(bar, { high: Math.max(bar.high, high), low: Math.min(bar.low, low), close });
}

function beyond(lines, where) {
  const named = lines.slice(0, BEYOND_MAX).map(({ price_e4: price, text, tone }) =>
    element("span", tone, `${where === "above" ? "↑" : "↓"} ${rupees.format(price / E4)} ${text}`)
  );
  const more = lines.length - named.length;
  return more > 0 ? [...named, element("span", "", `and ${more} more ${where}`)] : named;
}
