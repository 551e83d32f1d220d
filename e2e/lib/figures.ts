// Figures of several runs.

/** The value that this share of the values does not exceed: 0.5 is the median. */
export function percentile(values: number[], share: number) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
