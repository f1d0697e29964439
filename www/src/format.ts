const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 98234567 -> "98.2 MB" (decimal units, as browsers and model hubs count). */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** 134515008 -> "135 M", 1235814400 -> "1.24 B". */
export function parameters(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toPrecision(3)} B`;
  if (count >= 1e6) return `${(count / 1e6).toPrecision(3)} M`;
  return number.format(count);
}

export function integer(value: number): string {
  return number.format(value);
}

/** Milliseconds as people read them: "840 ms", "2.4 s", "1 min 5 s". */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Tokens a second with as many digits as mean something. */
export function speed(tokensPerSecond: number): string {
  if (!Number.isFinite(tokensPerSecond) || tokensPerSecond <= 0) return "–";
  return tokensPerSecond >= 99.5 ? number.format(tokensPerSecond) : tokensPerSecond.toPrecision(3);
}

/** 0.8312 -> "83.1 %"; small shares keep one significant digit. */
export function share(value: number): string {
  const percent = value * 100;
  if (percent >= 0.1 || percent === 0) return `${percent.toFixed(1)} %`;
  return percent < 1e-4 ? "< 0.0001 %" : `${percent.toPrecision(1)} %`;
}

const day = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

/** A day and a time of day. */
export function moment(date: Date): string {
  return Number.isNaN(date.getTime()) ? "at an unknown time" : day.format(date);
}

/** A token with its blanks and line breaks made visible. */
export function visibleText(text: string): string {
  return text.replaceAll(" ", "·").replaceAll("\n", "↵").replaceAll("\t", "→");
}
