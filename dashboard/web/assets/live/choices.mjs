// How a new alert makes itself noticed: by sound, and by the browser's notifications; each as this browser was told.

import { element } from "../elements.mjs";

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

export class Sound extends Choice {
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
    if (this.context.state === "suspended") {
      this.view.title = "Click anywhere on the page: browsers want that before it makes a sound.";
    }
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

export class Notices extends Choice {
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
