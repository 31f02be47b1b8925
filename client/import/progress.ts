import { counted } from './summary.ts';
import type { Tally } from './tally.ts';

const REDRAW_MS = 100;
/** In a log file a line now and then is enough. */
const LINE_MS = 5_000;
const BAR_CHARACTERS = 16;

/** Where it is drawn: a terminal, or a file or pipe. */
export type Screen = { write(text: string): unknown; isTTY?: boolean; columns?: number };

/** Draws until the returned function is called. `total` is unknown while files are counted. */
export function showProgress(
  screen: Screen,
  tally: Tally,
  total: () => number | undefined,
): () => void {
  const draw = () => {
    const line = progressLine(tally, total());
    if (screen.isTTY) screen.write(`\r${line.slice(0, (screen.columns ?? 80) - 1)}\x1b[K`);
    else screen.write(`${line}\n`);
  };
  const timer = setInterval(draw, screen.isTTY ? REDRAW_MS : LINE_MS);
  return () => {
    clearInterval(timer);
    if (screen.isTTY) screen.write('\r\x1b[K');
  };
}

export function progressLine(tally: Tally, total: number | undefined): string {
  const { files, seconds, taken, alreadyThere, refused } = tally;
  const facts = [
    `${counted(files)}${total === undefined ? '' : ` of ${counted(total)}`} files`,
    `${counted(taken)} taken`,
    alreadyThere > 0 && `${counted(alreadyThere)} there`,
    refused > 0 && `${counted(refused)} refused`,
    `${(files / seconds).toFixed(0)}/s`,
  ];
  if (!total) return facts.filter(Boolean).join(', ');
  const share = Math.min(1, files / total);
  if (files > 0) facts.push(`${minutes(((total - files) / files) * seconds)} left`);
  const bar = '#'.repeat(share * BAR_CHARACTERS).padEnd(BAR_CHARACTERS, '.');
  const percent = `${Math.floor(share * 100)}%`;
  return `[${bar}] ${percent} ${facts.filter(Boolean).join(', ')}`;
}

function minutes(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
