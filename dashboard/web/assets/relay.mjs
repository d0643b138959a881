// Listens to the relay and comes back by itself; for every component that shows what is live.

const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const SIGNED_OUT = 4401;
// Of so many failures in a row, after one it is asked whether we are still signed in.
const ASK_EVERY = 4;

export class Relay {
  // `query`: what is asked for, as in dashboard/relay/query.py; states are "live", "lost" and "signed out".
  constructor(address, query, onFrame, onState) {
    this.address = address;
    this.query = query;
    this.onFrame = onFrame;
    this.onState = onState;
    this.failures = 0;
    // By shard, up to which entry alerts were told: whoever comes back is told all since.
    this.at = {};
    this.open();
  }

  open() {
    const after = Object.entries(this.at).map(([shard, entry]) => `${shard}:${entry}`).join(",");
    const query = new URLSearchParams(after ? { ...this.query, after } : this.query).toString();
    this.socket = new WebSocket(query ? `${this.address}?${query}` : this.address);
    let hasHeard = false;
    this.socket.onmessage = (message) => {
      hasHeard = true;
      const frame = JSON.parse(message.data);
      this.failures = 0;
      Object.assign(this.at, frame.at);
      this.onState("live");
      this.onFrame(frame);
    };
    this.socket.onclose = async ({ code }) => {
      if (code === SIGNED_OUT) return this.onState("signed out");
      this.onState("lost");
      // A browser does not tell why it was not let in.
      const isOut = !hasHeard && this.failures % ASK_EVERY === 1 && (await isSignedOut());
      if (this.isClosed) return;
      if (isOut) return this.onState("signed out");
      // Spread, so that not everybody comes back at once.
      const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)] * (0.5 + Math.random());
      this.retry = setTimeout(() => this.open(), wait);
    };
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.retry);
    this.socket.onclose = this.socket.onmessage = null;
    this.socket.close();
  }
}

// The port goes with the host under which the browser found this page.
export function addressOf({ url, port }) {
  if (url) return url;
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.hostname}:${port}/ws`;
}

async function isSignedOut() {
  try {
    return (await fetch("/api/auth/me")).status === 401;
  } catch {
    return false;
  }
}
