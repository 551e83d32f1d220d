// The rule about figures itself: no browser, no sandbox.
import { bar } from '../lib/bars.ts';
import { test } from '@playwright/test';

/** Notes a figure, and keeps it out of the table of what was really measured. */
function note(value: number, limit: number) {
  bar('a figure of the rule\'s own tests', 'measured', value, limit);
  test.info().annotations.pop();
}

test('a missed bar fails nothing up to three times its value', () => {
  note(299, 100);
  note(0, 0);
});

test.fail('a figure of more than three times its bar fails its test', () => note(301, 100));

test.fail('where nothing may be lost one lost packet fails the test', () => note(1, 0));
