// `cargo xtask test` starts as many stacks as tests run side by side: each worker has one of its own. A test that passes only sometimes is
// a defect, and shows as a failure wherever a person can look into it. In CI, on machines that are shared with others and
// stall at times, it is tried a second time, and named as unsteady at the end of the run.
import { defineConfig } from '@playwright/test';
import { stackFiles } from './lib/stack.ts';

export default defineConfig({
  testDir: './tests',
  testMatch: '**/*.spec.ts',
  // Most tests wait for what takes its time by design, so that many fit side by side; what takes longest (`@long`) begins first, so that
  // nothing is waited for at the end. Tests tagged `@alone` measure what a quiet machine can do (milliseconds between packets, between a
  // click and its effect): `cargo xtask test` runs that project by itself, before the others.
  projects: [
    { name: 'alone', grep: /@alone/, workers: 1, outputDir: '../target/run/playwright-alone' },
    { name: 'long', grep: /@long/ },
    { name: 'others', grepInvert: /@alone|@long/ },
  ],
  workers: Math.max(1, stackFiles().length),
  fullyParallel: true,
  retries: process.env.CI ? 1 : 0,
  timeout: 120_000,
  globalTimeout: 40 * 60_000,
  reporter: [['list']],
  outputDir: '../target/run/playwright',
});
