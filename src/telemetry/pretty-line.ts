import { styleText } from 'node:util';
import type { ErrorRecord } from './error-record.ts';

const colours = { DEBUG: 'dim', INFO: 'green', WARNING: 'yellow', ERROR: 'red' } as const;

/** What a client sent must not steer the reader's terminal. */
const visible = (text: string) => text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, '\ufffd');

/** `time level message key=value …`, then the stacks; `line` is one JSON line of the log. */
export function prettyLine(line: string): string {
  const { time, level, message = '', service, version, err, ...rest } = JSON.parse(line);
  const clock = styleText('dim', time.slice(11, 23));
  const label = styleText(colours[level as keyof typeof colours], level.padEnd(7));
  const details = Object.entries(rest).map(([key, value]) =>
    visible(`${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`),
  );
  const words = [clock, label, visible(message)];
  if (details.length > 0) words.push(styleText('dim', details.join(' ')));
  return `${[words.join(' '), ...stacks(err)].join('\n')}\n`;
}

function stacks(error: ErrorRecord | undefined): string[] {
  if (!error?.stack) return [];
  const lines = error.stack.split('\n').map((text) => `    ${visible(text.trim())}`);
  return [...lines, ...stacks(error.cause as ErrorRecord | undefined)];
}
