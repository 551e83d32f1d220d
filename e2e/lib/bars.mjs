// What is measured beside what is promised of it. Each test notes its own; `cargo xtask test` prints all in one table and
// writes them as JSON. A time hangs on the machine too, so a missed bar is shown and fails nothing by itself: what must
// hold on any machine, the test insists on.
import { test } from '@playwright/test';

/** Notes one figure of the running test: `event` happened, `measure` took or counted `value`, at most `limit` is promised. */
export function bar(event, measure, value, limit, unit = 'ms') {
  const rounded = Math.round(value * 10) / 10;
  test.info().annotations.push({ type: 'bar', description: JSON.stringify({ event, measure, value: rounded, limit, unit }) });
  console.log(`    ${event}: ${measure} ${rounded} ${unit} (at most ${limit})`);
}
