import { mib, table } from "./markdown.mjs";
import { decoderSection, firstTokenSection, limitsSection, loadingSection } from "./report-decoder.mjs";
import { encoderSection } from "./report-encoder.mjs";

/** The measurements as a Markdown page; a part that was not measured is left out. */
export function report({ date, machine, browser, rounds, sizes, decoder, encoder }) {
  return [
    "# Benchmarks",
    "",
    `Made by \`cargo xtask bench --save\` on ${date}: ${machine}, Chromium ${browser} headless. Every figure is the`,
    `median (lowest to highest) of ${rounds} rounds in turns, after one that is not counted. Absolute figures depend on`,
    "the machine; what counts is the comparison within one run.",
    "",
    ...(decoder ? [decoderSection(decoder), ""] : []),
    ...(encoder ? [encoderSection(encoder), ""] : []),
    ...(decoder ? [limitsSection(decoder), ""] : []),
    ...(decoder ? [firstTokenSection(decoder.firstToken), "", loadingSection(decoder.loading), ""] : []),
    "## What is downloaded",
    "",
    table(
      ["module", "raw", "gzip", "brotli"],
      Object.entries(sizes).map(([name, size]) => [name, mib(size.raw), mib(size.gzip), mib(size.brotli)]),
    ),
    "",
  ].join("\n");
}
