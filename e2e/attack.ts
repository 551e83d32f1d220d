// Attacks on what ships: the extension and the plugin in a real Chromium with the real Flex UI, and the token service's program.
//
//   node --import ts-blank-space/register e2e/attack.ts --stack FILE --desk-stack FILE --token-port PORT --token-service PROGRAM [--only PATTERN] [--json]
//
// Each attack says what it got and the bar: what it may get at most. Everything is on loopback, bounded in time and count.
// The last line is one JSON object; ends non-zero when an attack got something. How each is built, and which threat of
// docs/security.md it belongs to, stands with the attack in lib/attack-*.ts.
import { parseArgs } from 'node:util';
import { browserAttacks } from './lib/attack-browser.ts';
import { type Got, serviceAttacks } from './lib/attack-service.ts';
import { must, readStack, wordsOf } from './lib/stack.ts';

const { values: options } = parseArgs({
  options: {
    stack: { type: 'string' }, 'desk-stack': { type: 'string' }, 'token-port': { type: 'string' }, 'token-service': { type: 'string' }, only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const stack = readStack(options.stack);
const wanted = new RegExp(options.only, 'i');
const attacks = [...serviceAttacks(must(options['token-service'], 'program of the token service')), ...browserAttacks(stack, readStack(options['desk-stack']), Number(options['token-port']))].filter(({ name }) => wanted.test(name));
const say = (text: string) => { if (!options.json) console.error(text); };

const rows: { name: string; threat: string; got: string; bar: string; held: boolean }[] = [];
const figures = {};
for (const { name, threat, bar, run } of attacks) {
  const from = performance.now();
  let got;
  let held = false;
  try {
    const result: Got = await run();
    ({ got, held } = result);
    Object.assign(figures, result.figures);
  } catch (error) {
    got = `could not be played: ${wordsOf(error).split('\n')[0].slice(0, 160)}`;
  }
  rows.push({ name, threat, got, bar, held });
  say(`${held ? 'held' : 'BROKEN'}  ${name}: ${got} (${((performance.now() - from) / 1000).toFixed(0)} s)`);
}

if (!options.json) {
  const table = [['attack', 'threat', 'what it got', 'bar', ''], ...rows.map(row => [row.name, row.threat, row.got, row.bar, row.held ? 'held' : 'BROKEN'])];
  const widths = table[0].map((_, column) => Math.max(...table.map(row => row[column].length)));
  for (const row of table) console.error(row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd());
}
const held = rows.filter(row => row.held).length;
console.log(JSON.stringify({ attacks: rows.length, held, ...figures }));
process.exit(rows.length > 0 && held === rows.length ? 0 : 1);
