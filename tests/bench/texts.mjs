/** A chat message of a few tokens, to decode after. */
export const prompt = "What is gravity?";

/** With the chat template around it some 128 tokens, to measure prefill. */
export const longPrompt =
  "The first lighthouses were fires on hills, kept by families who were paid in grain. Later they stood on towers of " +
  "stone, and a lamp of oil took the place of the fire. A lens of many rings, invented in 1822, sent the light of one " +
  "small lamp thirty kilometres over the sea. Today most of them are lit by electricity, and nobody lives in them. " +
  "Ships find their way by satellites. Explain in one word what a lighthouse is for.";

/** Sentences of about thirty tokens each. */
export const sentences = [
  "The keeper climbed the narrow stairs every evening, lit the great lamp by hand, and watched the ships pass safely until morning came over the sea.",
  "A grafted apple tree keeps the roots of one variety and carries the fruit of another, so that a gardener can choose both for the same orchard.",
  "When the river froze in the winter of that year, the market was held on the ice, and the sellers roasted chestnuts beside their painted sledges.",
  "The museum bought a small portrait of an unknown woman, and only an X-ray showed that a landscape with two windmills had been painted underneath.",
  "Most of the energy that a train needs is spent on gaining speed, which is why a line with few stops is far cheaper to run than one with many.",
  "She wrote the whole letter in pencil, rubbed out the second page, and sent the first and the third without a word about what had been between them.",
  "Bees find their way home by the position of the sun, and on cloudy days they use the pattern of polarised light that remains in the blue patches.",
  "The committee agreed on the new timetable after four hours, although nobody could explain afterwards how the last bus would reach the station in time.",
];
