import { bars, spread, table } from "./markdown.mjs";
import { summary } from "./statistics.mjs";

/** Sentence embeddings beside transformers.js. */
export function encoderSection({ model, tokens, pairs }) {
  const contestants = pairs.flatMap(({ ours, peer }) => [ours, peer]);
  const figures = new Map(
    contestants.map((contestant) => [
      contestant,
      {
        sentence: summary(contestant.measured.map(({ sentenceMs }) => sentenceMs)),
        batch: summary(contestant.measured.map(({ batchMs }) => batchMs)),
      },
    ]),
  );
  const rows = contestants.map((contestant) => {
    const { sentence, batch } = figures.get(contestant);
    return [
      contestant.name,
      device(contestant.setup),
      spread(sentence, 1),
      spread(batch, 1),
      `${(contestant.setup.loadMs / 1000).toFixed(2)} s`,
    ];
  });
  const ratios = pairs.flatMap(({ ours, peer, cosine }) => {
    const times = (which) => (figures.get(peer)[which].median / figures.get(ours)[which].median).toFixed(2);
    return [
      `${ours.name}, beside ${peer.name}: ${times("sentence")} times the speed on one sentence, ` +
        `${times("batch")} times on the batch; the embeddings' cosine is at least ${cosine.toFixed(6)}.`,
      "",
    ];
  });
  const plot = (which) =>
    bars(
      contestants.map((contestant) => ({
        name: contestant.name,
        value: figures.get(contestant)[which].median,
      })),
      1,
    );
  const [one, ...rest] = tokens;
  return [
    "## Sentence embeddings",
    "",
    `${model}; one sentence of ${one} tokens, and ${tokens.length} of ${Math.min(one, ...rest)} to ${Math.max(one, ...rest)}`,
    "in one call. Time to the vectors, tokenizer, pooling and the way to a worker included. The peer reads an ONNX file",
    "made of the same weights by `tests/peers/export_minilm.py`.",
    "",
    table(["", "device", "one sentence, ms", `batch of ${tokens.length}, ms`, "start and load"], rows),
    "",
    "One sentence, ms (less is better):",
    "",
    plot("sentence"),
    "",
    `Batch of ${tokens.length}, ms (less is better):`,
    "",
    plot("batch"),
    "",
    ...ratios,
  ]
    .join("\n")
    .trimEnd();
}

function device({ device, kind, version, threads }) {
  if (device) return device.adapter;
  const where = kind === "webgpu" ? "WebGPU" : `wasm, ${threads} thread${threads === 1 ? "" : "s"}`;
  return `transformers.js ${version}, ${where}`;
}
