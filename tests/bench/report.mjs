/** The measurements as a Markdown page. */
export function report({ date, machine, model, prompt, rounds, tokens, sizes, loading, speed }) {
  const decode = speed.contestants.map(({ measured }) => summary(measured.map((m) => m.tokensPerSecond)));
  const prefill = speed.contestants.map(({ measured }) =>
    summary(measured.map((m) => (m.prefill.promptTokens * 1000) / m.prefill.firstTokenMs)),
  );
  const rows = speed.contestants.map(({ name, setup, measured }, index) => [
    name,
    setup.device?.adapter ?? threads(setup),
    spread(decode[index], 1),
    spread(prefill[index], 1),
    spread(summary(measured.map((m) => m.firstTokenMs / 1000)), 2),
  ]);
  const longTokens = speed.contestants[0].measured[0].prefill.promptTokens;
  // Contestants come in pairs: ours, then the peer with as many threads.
  const ratios = [0, 2].map((ours) => {
    const times = (figures) => (figures[ours].median / figures[ours + 1].median).toFixed(2);
    const [name, peer] = speed.contestants.slice(ours, ours + 2).map(({ name }) => name);
    return `${name}, beside ${peer}: ${times(decode)} times the decoding speed, ${times(prefill)} times the prefill speed.`;
  });
  const texts = speed.contestants.map(({ measured }) => measured[0].text.slice(0, 40));
  const agree = texts.every((text) => text === texts[0]);
  const { download, cached, fileBytes, residentBytes, wasmBytes, peakBytes, emptyPageBytes } = loading;
  const budget = fileBytes + residentBytes;
  return [
    "# Benchmarks",
    "",
    `Made by \`cargo xtask bench --save\` on ${date}: ${machine}, Chromium ${speed.browser} headless, ${model}.`,
    `Absolute figures depend on the machine; what counts is the comparison within one run.`,
    "",
    "## Speed",
    "",
    `Chat prompt “${prompt}”, greedy, ${tokens} tokens, ${rounds} rounds in turns after one warm-up; median (lowest to highest).`,
    "",
    table(
      ["", "device", "decode, tokens/s", `prefill of ${longTokens} tokens, tokens/s`, "first token, s"],
      rows,
    ),
    "",
    ...ratios.flatMap((ratio) => [ratio, ""]),
    agree ? "All wrote the same text." : "The texts differ: their arithmetic rounds differently.",
    "",
    "## Loading and memory (CPU path)",
    "",
    table(
      ["", ""],
      [
        ["file", mib(fileBytes)],
        ["load, downloading from this machine", seconds(download.loadMs)],
        ["load, from the browser's cache (hash checked)", seconds(cached.loadMs)],
        ["start of the engine (module fetched and compiled)", seconds(download.createMs)],
        ["weights and caches in memory, as the engine counts them", mib(residentBytes)],
        ["linear memory after loading; it never shrinks, so this is the peak", mib(wasmBytes)],
        ["linear memory / (file + working set)", (wasmBytes / budget).toFixed(2)],
        ["page's process, peak resident memory", peakBytes ? mib(peakBytes) : "not measured here"],
        ["page's process before loading", emptyPageBytes ? mib(emptyPageBytes) : "not measured here"],
      ],
    ),
    "",
    "## What is downloaded",
    "",
    table(
      ["module", "raw", "gzip", "brotli"],
      Object.entries(sizes).map(([name, size]) => [name, mib(size.raw), mib(size.gzip), mib(size.brotli)]),
    ),
    "",
  ].join("\n");
}

function threads({ threads, multithread }) {
  return `llama.cpp, ${threads} thread${threads === 1 ? "" : "s"}${multithread ? " (threaded build)" : ""}`;
}

function summary(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, lowest: sorted[0], highest: sorted.at(-1) };
}

function spread({ median, lowest, highest }, digits) {
  return `${median.toFixed(digits)} (${lowest.toFixed(digits)} to ${highest.toFixed(digits)})`;
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const mib = (bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
