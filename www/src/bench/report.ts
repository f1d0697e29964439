import type { DeviceInfo, EngineMemory, LanguageModelInfo } from "lexigraft";
import { bytes, duration, integer, parameters, speed } from "../format.ts";
import type { Plan, Round } from "./measure.ts";
import { type Summary, summary } from "./statistics.ts";

/** Everything a measurement found and what it was made on. */
export interface BenchReport {
  /** ISO 8601. */
  date: string;
  browser: string;
  model: Pick<LanguageModelInfo, "name" | "quantization" | "parameters" | "fileBytes" | "residentBytes">;
  device: Pick<DeviceInfo, "kind" | "adapter" | "software" | "threads">;
  memory: EngineMemory | undefined;
  plan: Plan;
  promptTokens: number;
  rounds: readonly Round[];
  firstTokenMs: Summary | undefined;
  promptTokensPerSecond: Summary | undefined;
  tokensPerSecond: Summary | undefined;
}

/** What a report is made of. */
export interface Measured {
  date: Date;
  browser: string;
  modelName: string;
  info: Readonly<LanguageModelInfo>;
  device: Readonly<DeviceInfo>;
  memory: EngineMemory | undefined;
  plan: Plan;
  rounds: readonly Round[];
}

export function makeReport(measured: Measured): BenchReport {
  const { date, browser, modelName, info, device, memory, plan, rounds } = measured;
  const { quantization, parameters, fileBytes, residentBytes } = info;
  const { kind, adapter, software, threads } = device;
  return {
    date: date.toISOString(),
    browser,
    model: { name: modelName, quantization, parameters, fileBytes, residentBytes },
    device: { kind, adapter, software, threads },
    memory,
    plan: { ...plan },
    promptTokens: rounds[0]?.promptTokens ?? 0,
    rounds: [...rounds],
    firstTokenMs: summary(rounds.map((round) => round.firstTokenMs)),
    promptTokensPerSecond: summary(rounds.map(promptSpeed)),
    tokensPerSecond: summary(rounds.map((round) => round.tokensPerSecond)),
  };
}

/** Tokens of the prompt a second, the first token's own step included. */
export function promptSpeed({ promptTokens, firstTokenMs }: Round): number | undefined {
  return firstTokenMs === undefined || firstTokenMs <= 0 ? undefined : (promptTokens * 1000) / firstTokenMs;
}

export interface Figure {
  name: string;
  testid: string;
  median: string;
  /** From lowest to highest. */
  range: string;
}

/** The three figures in words. */
export function figures(report: BenchReport): Figure[] {
  const figure = (
    name: string,
    testid: string,
    found: Summary | undefined,
    say: (value: number) => string,
  ) => ({
    name,
    testid,
    median: found ? say(found.median) : "–",
    range: found ? `${say(found.lowest)} to ${say(found.highest)}` : "–",
  });
  return [
    figure("Decoding, tokens/s", "bench-decode", report.tokensPerSecond, speed),
    figure("Time to first token", "bench-first", report.firstTokenMs, duration),
    figure("Reading the prompt, tokens/s", "bench-prompt", report.promptTokensPerSecond, speed),
  ];
}

/** What computes, in one line. */
export function deviceLine({ kind, adapter, software }: BenchReport["device"]): string {
  return kind === "webgpu" ? `WebGPU, ${adapter}${software ? " (software)" : ""}` : `CPU, ${adapter}`;
}

/** What the figures were measured on and with, term by term. */
export function facts(report: BenchReport): [term: string, value: string][] {
  const { model, memory, plan } = report;
  const module = memory?.module;
  const sent =
    module && module.encodedBytes > 0 && module.encodedBytes < module.bytes
      ? `, ${bytes(module.encodedBytes)} as sent`
      : "";
  return [
    ["Model", `${model.name}, ${model.quantization}, ${parameters(model.parameters)} parameters`],
    ["Device", deviceLine(report.device)],
    ["Threads on the CPU", integer(report.device.threads)],
    ["Browser", report.browser],
    ["Prompt", `${integer(report.promptTokens)} tokens`],
    ["Written", `${written(report)} tokens a round`],
    ["Rounds", `${integer(plan.rounds)} after one that is not counted`],
    ["Model file", bytes(model.fileBytes)],
    ["Model in memory", bytes(model.residentBytes)],
    ["Engine's memory", memory ? bytes(memory.wasmBytes) : "not known"],
    ["Engine's module", module ? `${bytes(module.bytes)}${sent}` : "not known"],
    ["Measured", report.date],
  ];
}

function written({ rounds }: BenchReport): string {
  const counts = rounds.map((round) => round.tokens);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? integer(least) : `${integer(least)} to ${integer(most)}`;
}

export function toJson(report: BenchReport): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

export function toMarkdown(report: BenchReport): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  return [
    "## Lexigraft in the browser",
    "",
    line(["", "median", "lowest to highest"]),
    line(["---", "---", "---"]),
    ...figures(report).map(({ name, median, range }) => line([name, median, range])),
    "",
    line(["", ""]),
    line(["---", "---"]),
    ...facts(report).map(line),
    "",
  ].join("\n");
}

/** A model's name may hold anything; a bar or a line break would end its cell. */
function cell(text: string): string {
  return text.replace(/[\r\n]+/g, " ").replaceAll("|", "\\|");
}

/** The browser's name and version from its user agent, as far as it says. */
export function browserName(userAgent: string): string {
  // Each of the later names also claims to be the ones below it.
  const known: [RegExp, string][] = [
    [/\bEdg\/([\d.]+)/, "Edge"],
    [/\bFirefox\/([\d.]+)/, "Firefox"],
    [/\b(?:Headless)?Chrome\/([\d.]+)/, "Chromium"],
    [/\bVersion\/([\d.]+).*\bSafari\//, "Safari"],
  ];
  for (const [pattern, name] of known) {
    const version = pattern.exec(userAgent)?.[1];
    if (version) return `${name} ${version}`;
  }
  return userAgent;
}
