// What the examples of the documentation take for granted: things of the reader's own page, and models that
// earlier parts of the page loaded.
import type * as lexigraftTypes from "lexigraft";

declare global {
  function show(text: string): void;
  const stopButton: HTMLButtonElement;
  const controller: AbortController;
  const url: string;
  const text: string;
  const lexigraft: lexigraftTypes.Lexigraft;
  const lx: lexigraftTypes.Lexigraft;
  const lm: lexigraftTypes.LanguageModel;
  const other: lexigraftTypes.LanguageModel;
  const picture: Blob;
  const vision: lexigraftTypes.Vision;
}
