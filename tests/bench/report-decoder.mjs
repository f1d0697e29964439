import { bars, mib, seconds, spread, table } from "./markdown.mjs";
import { summary } from "./statistics.mjs";

/** Prefill and decode of the language model beside wllama. */
export function decoderSection({ model, prompt, tokens, contestants }) {
  const decode = contestants.map(({ measured }) => summary(measured.map((m) => m.tokensPerSecond)));
  const prefill = contestants.map(({ measured }) =>
    summary(measured.map((m) => (m.prefill.promptTokens * 1000) / m.prefill.firstTokenMs)),
  );
  const rows = contestants.map(({ name, setup, measured }, index) => [
    name,
    setup.device?.adapter ?? threads(setup),
    spread(decode[index], 1),
    spread(prefill[index], 1),
    spread(summary(measured.map((m) => m.firstTokenMs / 1000)), 2),
  ]);
  const longTokens = contestants[0].measured[0].prefill.promptTokens;
  // Contestants come in pairs: ours, then the peer with as many threads.
  const ratios = [0, 2].map((ours) => {
    const times = (figures) => (figures[ours].median / figures[ours + 1].median).toFixed(2);
    const [name, peer] = contestants.slice(ours, ours + 2).map(({ name }) => name);
    return `${name}, beside ${peer}: ${times(decode)} times the decoding speed, ${times(prefill)} times the prefill speed.`;
  });
  const texts = contestants.map(({ measured }) => measured[0].text.slice(0, 40));
  const agree = texts.every((text) => text === texts[0]);
  const plot = (figures) =>
    bars(
      contestants.map(({ name }, index) => ({ name, value: figures[index].median })),
      1,
    );
  return [
    "## Text",
    "",
    `${model}, chat prompt “${prompt}”, greedy, ${tokens} tokens.`,
    "",
    table(
      ["", "device", "decode, tokens/s", `prefill of ${longTokens} tokens, tokens/s`, "first token, s"],
      rows,
    ),
    "",
    "Decode, tokens/s:",
    "",
    plot(decode),
    "",
    "Prefill, tokens/s:",
    "",
    plot(prefill),
    "",
    ...ratios.flatMap((ratio) => [ratio, ""]),
    agree ? "All wrote the same text." : "The texts differ: their arithmetic rounds differently.",
  ].join("\n");
}

/** What a token costs, as shares of what one thread of the machine can do at most. */
export function limitsSection({ loading, contestants, weights }) {
  const { limits } = loading;
  const tokens = summary(contestants[0].measured.map((m) => m.tokensPerSecond)).median;
  const prefill = summary(
    contestants[0].measured.map((m) => (m.prefill.promptTokens * 1000) / m.prefill.firstTokenMs),
  ).median;
  const giga = (value) => (value / 1e9).toFixed(1);
  const share = (value, most) => `${((100 * value) / most).toFixed(0)} %`;
  const row = (what, value, most, unit) => [
    what,
    `${giga(value)} ${unit}`,
    `${giga(most)} ${unit}`,
    share(value, most),
  ];
  return [
    "## Beside the machine's limits (CPU path, one thread)",
    "",
    table(
      ["", "reached", "the machine's", "share"],
      [
        row("decode: weights read", tokens * weights.bytes, limits.bytes, "GB/s"),
        row("decode: multiplications and additions", tokens * weights.products, limits.products, "G/s"),
        row(
          "prefill: multiplications and additions",
          prefill * weights.prefillProducts,
          limits.products,
          "G/s",
        ),
      ],
    ),
    "",
    `A decoded token reads ${mib(weights.bytes)} of weights and takes ${(weights.products / 1e6).toFixed(0)} million multiplications and`,
    "additions, a token of a prompt those without the output head. The machine's limits are those of a loop that reads 128",
    "MiB, and of one that multiplies 16-bit numbers in registers, in the same browser; bytes have to be unpacked to such",
    "numbers first.",
  ].join("\n");
}

/** From a file that is on this machine to the first token. */
export function firstTokenSection(contestants) {
  const [ours, peer] = contestants.map(({ measured }) => summary(measured.map((ms) => ms / 1000)));
  return [
    "## From a cached file to the first token (CPU path, one thread)",
    "",
    table(
      ["", "seconds"],
      [ours, peer].map((figures, index) => [contestants[index].name, spread(figures, 2)]),
    ),
    "",
    "The start of the engine, the load and the prompt, in a fresh page. Ours comes from the package's cache and is",
    "hashed; the peer is handed its bytes as a blob.",
    "",
    `${(ours.median / peer.median).toFixed(2)} times the peer's time.`,
  ].join("\n");
}

/** What loading takes on the CPU path. */
export function loadingSection(loading) {
  const { download, cached, fileBytes, residentBytes, wasmBytes, peakBytes, emptyPageBytes } = loading;
  const budget = fileBytes + residentBytes;
  return [
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
  ].join("\n");
}

function threads({ threads, multithread }) {
  return `llama.cpp, ${threads} thread${threads === 1 ? "" : "s"}${multithread ? " (threaded build)" : ""}`;
}
