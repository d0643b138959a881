// How numbers and times read on a page: Indian digits, India's clocks.

export const MINUTE_MS = 60000;

const india = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Kolkata", ...options });

export const rupees = new Intl.NumberFormat("en-IN", { minimumFractionDigits: 2, maximumFractionDigits: 4 });
export const count = new Intl.NumberFormat("en-IN");
export const clock = india({ timeStyle: "medium" });
export const minute = india({ timeStyle: "short" });
export const day = india({ day: "numeric", month: "short" });
export const weekday = india({ weekday: "short" });

// Above zero with its sign.
export function percent(value) {
  return `${value > 0 ? "+" : ""}${value.toFixed(2)} %`;
}
