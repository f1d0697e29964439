import type { LanguageModel } from "lexigraft";

/** How much is measured. */
export interface Plan {
  /** Tokens to generate in a round. */
  tokens: number;
  /** Rounds after the one that is not counted. */
  rounds: number;
}

/** What one round found. */
export interface Round {
  promptTokens: number;
  /** Fewer than asked for when the model ended its text or the context was full. */
  tokens: number;
  /** Undefined when the model ended before its first token. */
  firstTokenMs: number | undefined;
  /** Tokens after the first, over the time they took; undefined below two tokens. */
  tokensPerSecond: number | undefined;
}

/** Where a measurement is: round 0 is the warm-up. */
export interface Step {
  round: number;
  /** Tokens of this round so far. */
  tokens: number;
  /** The rounds that count and are done. */
  done: readonly Round[];
}

/** The prompt of every measurement: figures of two devices can be compared only for the same one. */
export const PROMPT =
  "The first lighthouses were fires on hills, kept by families who were paid in grain. Later they stood on towers of " +
  "stone, and a lamp of oil took the place of the fire. A lens of many rings, invented in 1822, sent the light of one " +
  "small lamp thirty kilometres over the sea. Today most of them are lit by electricity, and nobody lives in them. " +
  "When the keepers left,";

/** The engine keeps the last text's keys and values; another text in between makes it read the prompt again. */
const OTHER = "Something else.";

/** Greedy, so that every round writes the same text. */
const GREEDY = { temperature: 0, repetitionPenalty: 1 } as const;

/** Measures the model: a round that is not counted, then the others. Throws `AbortError` when stopped. */
export async function measure(
  lm: Pick<LanguageModel, "generate">,
  { tokens, rounds }: Plan,
  signal: AbortSignal,
  onStep: (step: Step) => void,
): Promise<Round[]> {
  const done: Round[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    onStep({ round, tokens: 0, done });
    await lm.generate(OTHER, { ...GREEDY, maxTokens: 1, signal }).result;
    signal.throwIfAborted();
    const generation = lm.generate(PROMPT, { ...GREEDY, maxTokens: tokens, signal });
    let written = 0;
    for await (const piece of generation) {
      if (piece.tail) continue;
      written += 1;
      onStep({ round, tokens: written, done });
    }
    const result = await generation.result;
    signal.throwIfAborted();
    if (round === 0) continue;
    done.push({
      promptTokens: result.promptIds.length,
      tokens: result.ids.length,
      firstTokenMs: result.timeToFirstTokenMs,
      tokensPerSecond: result.tokensPerSecond,
    });
  }
  return done;
}

/** How far the measurement is, from 0 to 1. */
export function progress({ round, tokens }: Step, plan: Plan): number {
  return (round + Math.min(1, tokens / plan.tokens)) / (plan.rounds + 1);
}
