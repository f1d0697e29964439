import type { GenerateOptions, GenerateResult, Generation, LanguageModel } from "lexigraft";
import { announce } from "../announce.ts";
import type { App } from "../app.ts";
import { isAbort } from "../errors.ts";
import { generateOptions } from "./sampling.ts";
import type { Stats } from "./stats.ts";
import type { TokenView } from "./token-view.ts";

/** A reply longer than this is not read out: the person goes to the text instead. */
const SPOKEN_CHARACTERS = 600;

/**
 * Runs one generation into a view and its figures. Gives the result (also of a run that was
 * stopped), or undefined when it failed; the session then shows the error.
 */
export function runInto(
  { session, settings }: App,
  view: TokenView,
  stats: Stats,
  start: (lm: LanguageModel, options: GenerateOptions) => Generation,
): Promise<GenerateResult | undefined> {
  return session.run(async (lm, signal) => {
    const { sampling, showLogProbs } = settings;
    const { temperature } = sampling;
    view.clear();
    view.streaming = true;
    stats.start();
    announce("Generating.");
    try {
      const generation = start(lm, {
        ...generateOptions(sampling),
        logProbs: showLogProbs,
        signal,
        onPrefill: ({ done, total }) => stats.prefill(done, total),
      });
      try {
        for await (const piece of generation) {
          view.push(piece);
          if (!piece.tail) stats.token();
        }
      } catch (error) {
        // A stopped run still has a result: what was written until then.
        if (!isAbort(error)) throw error;
      }
      const result = await generation.result;
      view.finish(result);
      const summary = stats.finish(result, temperature);
      announce(result.text.length <= SPOKEN_CHARACTERS ? `${result.text}. ${summary}` : summary);
      return result;
    } catch (error) {
      stats.clear();
      throw error;
    } finally {
      view.streaming = false;
    }
  });
}
