export function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

export function spread({ median, lowest, highest }, digits) {
  return `${median.toFixed(digits)} (${lowest.toFixed(digits)} to ${highest.toFixed(digits)})`;
}

/** Bars of text, the longest `width` characters wide: a plot wherever Markdown is read as text. */
export function bars(rows, digits, width = 40) {
  const most = Math.max(...rows.map(({ value }) => value));
  const name = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.map(({ name: text, value }) => {
    const bar = "█".repeat(Math.max(1, Math.round((value / most) * width)));
    return `${text.padEnd(name)}  ${bar} ${value.toFixed(digits)}`;
  });
  return ["```text", ...lines, "```"].join("\n");
}

export const mib = (bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
export const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
