import assert from "node:assert/strict";
import { test } from "node:test";
import type { GenerateOptions, GenerateResult, Generation, Piece } from "lexigraft";
import { measure, PROMPT, progress, type Round, type Step } from "../src/bench/measure.ts";
import { browserName, facts, figures, makeReport, toJson, toMarkdown } from "../src/bench/report.ts";
import { summary } from "../src/bench/statistics.ts";

/** A model that writes `length` tokens at most, and remembers what it was asked. */
class FakeModel {
  readonly asked: { prompt: string; maxTokens: number | undefined }[] = [];

  constructor(
    private readonly length: number,
    private readonly onPiece: (index: number) => void = () => undefined,
  ) {}

  generate(prompt: string, { maxTokens, signal }: GenerateOptions = {}): Generation {
    this.asked.push({ prompt, maxTokens });
    const count = Math.min(this.length, maxTokens ?? 0);
    const run = this.asked.length;
    const onPiece = this.onPiece;
    const pieces = async function* (): AsyncGenerator<Piece> {
      for (let index = 0; index < count; index += 1) {
        if (signal?.aborted) throw signal.reason;
        onPiece(index);
        yield { text: "a", id: index };
      }
      if (count > 0) yield { text: "!", id: count - 1, tail: true };
    };
    const result: GenerateResult = {
      text: "a".repeat(count),
      ids: new Uint32Array(count),
      promptIds: new Uint32Array(prompt.length),
      reason: "max-tokens",
      seed: 1,
      timeToFirstTokenMs: count > 0 ? run * 10 : undefined,
      tokensPerSecond: count > 1 ? run : undefined,
      totalMs: 1,
    };
    return {
      [Symbol.asyncIterator]: pieces,
      result: Promise.resolve(result),
      cancel: () => undefined,
    };
  }
}

const never = new AbortController().signal;
const ignore = () => undefined;

test("the median of odd and even counts, and of none", () => {
  assert.deepEqual(summary([3, 1, 2]), { median: 2, lowest: 1, highest: 3 });
  assert.deepEqual(summary([4, 1, 2, 3]), { median: 2.5, lowest: 1, highest: 4 });
  assert.deepEqual(summary([undefined, 5]), { median: 5, lowest: 5, highest: 5 });
  assert.equal(summary([undefined]), undefined);
  assert.equal(summary([]), undefined);
  // As numbers, not as texts.
  assert.equal(summary([9, 10, 100])?.median, 10);
});

test("the first round is not counted, and another text comes before each", async () => {
  const model = new FakeModel(100);
  const rounds = await measure(model, { tokens: 6, rounds: 2 }, never, ignore);
  const measured = model.asked.filter(({ prompt }) => prompt === PROMPT);
  assert.equal(measured.length, 3);
  assert.ok(measured.every(({ maxTokens }) => maxTokens === 6));
  assert.ok(model.asked.every(({ prompt }, index) => (prompt === PROMPT) === (index % 2 === 1)));
  // The fake's runs are numbered: the fourth and the sixth are the rounds that count.
  assert.deepEqual(
    rounds.map(({ tokens, firstTokenMs, tokensPerSecond }) => [tokens, firstTokenMs, tokensPerSecond]),
    [
      [6, 40, 4],
      [6, 60, 6],
    ],
  );
});

test("progress goes from 0 to 1 and never back", async () => {
  const plan = { tokens: 4, rounds: 3 };
  const seen: number[] = [];
  await measure(new FakeModel(100), plan, never, (step) => seen.push(progress(step, plan)));
  assert.equal(seen[0], 0);
  assert.equal(seen.at(-1), 1);
  assert.ok(seen.every((value, index) => index === 0 || value >= (seen[index - 1] ?? 0)));
});

test("closing pieces are no tokens", async () => {
  const steps: Step[] = [];
  await measure(new FakeModel(3), { tokens: 3, rounds: 1 }, never, (step) => steps.push(step));
  assert.equal(Math.max(...steps.map(({ tokens }) => tokens)), 3);
});

test("a cancelled measurement throws", async () => {
  const abort = new AbortController();
  const model = new FakeModel(100, (index) => {
    if (index === 2) abort.abort();
  });
  await assert.rejects(measure(model, { tokens: 6, rounds: 2 }, abort.signal, ignore), {
    name: "AbortError",
  });
  assert.equal(model.asked.filter(({ prompt }) => prompt === PROMPT).length, 1);
});

function report(rounds: readonly Round[], name = "Small|model\nQ4") {
  return makeReport({
    date: new Date("2026-01-02T03:04:05Z"),
    browser: "Chromium 1.2",
    modelName: name,
    info: {
      architecture: "llama",
      name,
      parameters: 134_515_008,
      layers: 30,
      hiddenSize: 576,
      vocabSize: 49_152,
      contextLength: 2048,
      quantization: "Q4_1",
      fileBytes: 98_362_432,
      residentBytes: 110_000_000,
      hasChatTemplate: true,
    },
    device: {
      kind: "cpu",
      adapter: "SIMD128",
      reason: "The CPU was asked for.",
      software: false,
      threads: 2,
    },
    memory: { wasmBytes: 200_000_000, module: { bytes: 4_000_000, encodedBytes: 1_200_000 } },
    plan: { tokens: 8, rounds: 2 },
    rounds,
  });
}

const twoRounds: Round[] = [
  { promptTokens: 100, tokens: 8, firstTokenMs: 500, tokensPerSecond: 40 },
  { promptTokens: 100, tokens: 8, firstTokenMs: 1000, tokensPerSecond: 60 },
];

test("the report sums up the rounds", () => {
  const made = report(twoRounds);
  assert.deepEqual(made.tokensPerSecond, { median: 50, lowest: 40, highest: 60 });
  assert.deepEqual(made.firstTokenMs, { median: 750, lowest: 500, highest: 1000 });
  assert.deepEqual(made.promptTokensPerSecond, { median: 150, lowest: 100, highest: 200 });
  const [decode, first, prompt] = figures(made);
  assert.equal(decode?.median, "50.0");
  assert.equal(first?.range, "500 ms to 1.0 s");
  assert.equal(prompt?.median, "150");
});

test("a model that wrote nothing has no figures, and no NaN", () => {
  const nothing = { promptTokens: 100, tokens: 0, firstTokenMs: undefined, tokensPerSecond: undefined };
  const made = report([nothing, nothing]);
  assert.ok(figures(made).every(({ median, range }) => median === "–" && range === "–"));
  assert.doesNotMatch(toMarkdown(made), /NaN|undefined|Infinity/);
});

test("JSON holds every round and reads back", () => {
  const made = report(twoRounds);
  assert.deepEqual(JSON.parse(toJson(made)), JSON.parse(JSON.stringify(made)));
  assert.equal(JSON.parse(toJson(made)).rounds.length, 2);
});

test("Markdown keeps its table whatever the model is called", () => {
  const lines = toMarkdown(report(twoRounds)).split("\n");
  const model = lines.find((line) => line.includes("Small"));
  assert.equal(model, "| Model | Small\\|model Q4, Q4_1, 135 M parameters |");
  assert.ok(lines.includes("| Decoding, tokens/s | 50.0 | 40.0 to 60.0 |"), lines.join("\n"));
  assert.ok(lines.includes("| Device | CPU, SIMD128 |"));
  assert.ok(lines.includes("| Engine's module | 4.0 MB, 1.2 MB as sent |"));
});

test("sizes that nobody knows are said to be unknown", () => {
  const made = { ...report(twoRounds), memory: undefined };
  const known = new Map(facts(made));
  assert.equal(known.get("Engine's memory"), "not known");
  assert.equal(known.get("Engine's module"), "not known");
});

test("browsers are named by their own name, not by what they claim to be", () => {
  const chrome =
    "Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
  assert.equal(browserName(chrome), "Chromium 156.0.0.0");
  assert.equal(browserName(chrome.replace("Chrome", "HeadlessChrome")), "Chromium 156.0.0.0");
  assert.equal(browserName(`${chrome} Edg/156.0.1.0`), "Edge 156.0.1.0");
  assert.equal(browserName("Mozilla/5.0 (X11; rv:150.0) Gecko/20100101 Firefox/150.0"), "Firefox 150.0");
  assert.equal(
    browserName(
      "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    ),
    "Safari 18.1",
  );
  assert.equal(browserName("something else"), "something else");
});
