// One stack for the whole run, started by `cargo xtask test`; so one test at a time, and no retries: a test that
// passes only sometimes is a defect.
import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: './tests',
  testMatch: '**/*.spec.mjs',
  workers: 1,
  fullyParallel: false,
  retries: 0,
  timeout: 120_000,
  globalTimeout: 40 * 60_000,
  reporter: [['list']],
  outputDir: '../target/run/playwright',
});
