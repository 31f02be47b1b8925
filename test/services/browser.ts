import { existsSync } from 'node:fs';
import { env } from 'node:process';
import { type Browser, chromium } from 'playwright-core';

const WELL_KNOWN = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];
/** It goes out to nobody, and needs neither a GPU nor a sandbox of its own. */
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** The first start on a machine reads all of it from the disk. */
const LAUNCH_MAX_MS = 120_000;

/** CHROMIUM_PATH, or where systems install one; undefined where there is none, which CI must have. */
export const chromiumPath = env.CHROMIUM_PATH ?? WELL_KNOWN.find((path) => existsSync(path));
export const withoutBrowser =
  chromiumPath === undefined && !env.CI && 'there is no Chromium: install it, or set CHROMIUM_PATH';

export function launchBrowser(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error('There is no Chromium: install it.');
  const options = { executablePath: chromiumPath, args: ARGUMENTS, timeout: LAUNCH_MAX_MS };
  return chromium.launch(options);
}
