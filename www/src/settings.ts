export type DeviceChoice = "auto" | "webgpu" | "cpu";
export type Mode = "prompt" | "chat";
export type SourceKind = "default" | "url" | "file";

/** Sampling as the controls show it; `seed` null draws a new one each run. */
export interface Sampling {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  repetitionPenalty: number;
  maxTokens: number;
  seed: number | null;
  /** One stop string a line, `\n` and `\t` escaped. */
  stop: string;
}

/** How much the Bench tab measures. */
export interface BenchSettings {
  /** To generate in a round. */
  tokens: number;
  /** After the one that is not counted. */
  rounds: number;
}

export interface Settings {
  device: DeviceChoice;
  mode: Mode;
  source: SourceKind;
  url: string;
  contextLength: number | null;
  system: string;
  showLogProbs: boolean;
  bench: BenchSettings;
  sampling: Sampling;
}

export interface Range {
  min: number;
  max: number;
  integer?: boolean;
}

type NumberKey = Exclude<keyof Sampling, "stop">;

/** What the controls accept, and what a stored value must satisfy. */
export const ranges: Record<NumberKey | "contextLength" | "benchTokens" | "benchRounds", Range> = {
  temperature: { min: 0, max: 2 },
  topK: { min: 0, max: 1000, integer: true },
  topP: { min: 0.01, max: 1 },
  minP: { min: 0, max: 1 },
  repetitionPenalty: { min: 1, max: 2 },
  maxTokens: { min: 1, max: 8192, integer: true },
  seed: { min: 0, max: 0xffff_ffff, integer: true },
  contextLength: { min: 16, max: 131_072, integer: true },
  // One token has no speed: it takes a second one to time.
  benchTokens: { min: 2, max: 1024, integer: true },
  benchRounds: { min: 1, max: 50, integer: true },
};

export const defaultSampling: Readonly<Sampling> = {
  temperature: 0.7,
  topK: 40,
  topP: 0.95,
  minP: 0,
  repetitionPenalty: 1,
  maxTokens: 256,
  seed: null,
  stop: "",
};

const defaultBench: Readonly<BenchSettings> = { tokens: 48, rounds: 5 };

const defaults: Readonly<Settings> = {
  device: "auto",
  mode: "prompt",
  source: "default",
  url: "",
  contextLength: null,
  system: "",
  showLogProbs: false,
  bench: defaultBench,
  sampling: defaultSampling,
};

const KEY = "lexigraft.settings";
const VERSION = 1;

/** True for a finite number in the range, whole where the range says so. */
export function inRange(value: unknown, range: Range): value is number {
  return (
    typeof value === "number" &&
    value >= range.min &&
    value <= range.max &&
    (!range.integer || Number.isInteger(value))
  );
}

/** Reads the settings; whatever is missing, of another version or out of range is the default. */
export function readSettings(): Settings {
  let stored: unknown;
  try {
    stored = JSON.parse(localStorage.getItem(KEY) ?? "null");
  } catch {
    stored = null;
  }
  const from = isRecord(stored) && stored.version === VERSION ? stored : {};
  const sampling = isRecord(from.sampling) ? from.sampling : {};
  const bench = isRecord(from.bench) ? from.bench : {};
  const num = (key: Exclude<NumberKey, "seed">) =>
    inRange(sampling[key], ranges[key]) ? sampling[key] : defaultSampling[key];
  return {
    device: oneOf(from.device, ["auto", "webgpu", "cpu"], defaults.device),
    mode: oneOf(from.mode, ["prompt", "chat"], defaults.mode),
    // A file cannot be opened again without the person: fall back to the page's own model.
    source: oneOf(from.source, ["default", "url"], defaults.source),
    url: text(from.url, defaults.url),
    contextLength: inRange(from.contextLength, ranges.contextLength) ? from.contextLength : null,
    system: text(from.system, defaults.system),
    showLogProbs: from.showLogProbs === true,
    bench: {
      tokens: inRange(bench.tokens, ranges.benchTokens) ? bench.tokens : defaultBench.tokens,
      rounds: inRange(bench.rounds, ranges.benchRounds) ? bench.rounds : defaultBench.rounds,
    },
    sampling: {
      temperature: num("temperature"),
      topK: num("topK"),
      topP: num("topP"),
      minP: num("minP"),
      repetitionPenalty: num("repetitionPenalty"),
      maxTokens: num("maxTokens"),
      seed: inRange(sampling.seed, ranges.seed) ? sampling.seed : null,
      stop: text(sampling.stop, defaultSampling.stop),
    },
  };
}

export function writeSettings(settings: Settings): void {
  try {
    localStorage.setItem(KEY, JSON.stringify({ version: VERSION, ...settings }));
  } catch {
    // Storage is full or forbidden: the settings last as long as the page.
  }
}

/** The stop strings of the control: one a line, escapes undone, empty lines left out. */
export function stopStrings(lines: string): string[] {
  const undo: Record<string, string> = { n: "\n", t: "\t", "\\": "\\" };
  return lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.replace(/\\([nt\\])/g, (_, letter: string) => undo[letter] ?? letter));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown, fallback: string): string {
  return typeof value === "string" && value.length <= 20_000 ? value : fallback;
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], fallback: T): T {
  return allowed.find((item) => item === value) ?? fallback;
}
