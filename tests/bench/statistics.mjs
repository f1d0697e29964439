/** Median and range; the median of an even count is the mean of the middle two. */
export function summary(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, lowest: sorted[0], highest: sorted.at(-1) };
}

/** The cosine of the angle between two vectors. */
export function cosine(a, b) {
  if (a.length !== b.length) throw new Error(`vectors of ${a.length} and ${b.length} numbers`);
  let [product, lengthA, lengthB] = [0, 0, 0];
  for (const [index, value] of a.entries()) {
    product += value * b[index];
    lengthA += value * value;
    lengthB += b[index] * b[index];
  }
  return product / Math.sqrt(lengthA * lengthB);
}
