/** Median and range of some figures. */
export interface Summary {
  median: number;
  lowest: number;
  highest: number;
}

/** The median of an even count is the mean of the middle two. Undefined when there is nothing to sum up. */
export function summary(values: readonly (number | undefined)[]): Summary | undefined {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const lowest = sorted[0];
  const highest = sorted.at(-1);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (lowest === undefined || highest === undefined || low === undefined || high === undefined)
    return undefined;
  return { median: (low + high) / 2, lowest, highest };
}
