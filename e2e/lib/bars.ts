// What is measured beside what is promised of it. Each test notes its own; `cargo xtask test` prints all in one table and
// writes them as JSON. A time depends on the machine too, so a bar that is missed is only shown; at more than three times
// the bar something is wrong on any machine, and the test fails. Where the bar itself is what a quiet machine can do, the
// test is tagged `@alone`: see `e2e/playwright.config.ts`.
import { expect, test } from '@playwright/test';

/** A figure that is more than so many times its bar fails its test; `xtask/src/bars.rs` shows it so. */
const HARD_LIMIT = 3;

/** Notes one figure of the running test: `event` happened, `measure` took or counted `value`, at most `limit` is promised. */
export function bar(event: string, measure: string, value: number, limit: number, unit = 'ms') {
  const rounded = Math.round(value * 10) / 10;
  test.info().annotations.push({ type: 'bar', description: JSON.stringify({ event, measure, value: rounded, limit, unit }) });
  console.log(`    ${event}: ${measure} ${rounded} ${unit} (at most ${limit})`);
  // Soft, so that the test's other figures are noted too.
  expect.soft(value, `${event}: ${measure}, in ${unit}; the bar is ${limit}`).toBeLessThanOrEqual(HARD_LIMIT * limit);
}
