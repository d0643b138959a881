// Listens to the relay and keeps three things up to date, each a module of its own: the status strip, the prices, the alerts.
// Whatever comes from outside goes into the page as text, never as markup.

const asset = (name) => import(new URL(`/assets/${name}`, location.origin).href);
const modules = ["elements.mjs", "relay.mjs", "live/status.mjs", "live/prices.mjs", "live/alerts.mjs"];
const [{ element }, { Relay, addressOf }, { StatusStrip }, { Prices }, { Alerts }] = await Promise.all(modules.map(asset));

// Order and trends may lag behind; prices may not.
const REFRESH_EVERY_MS = 3000;
const FADE_EVERY_MS = 250;

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
