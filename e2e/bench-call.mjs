import { spawnSync } from 'node:child_process';
const i = process.argv.indexOf('--stack');
const r = spawnSync('node', ['/tmp/mem2.mjs', process.argv[i+1], '60'], { stdio: 'inherit' });
process.exit(r.status);
