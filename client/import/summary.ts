import type { Tally } from './tally.ts';

const number = new Intl.NumberFormat('en');
export const counted = (count: number) => number.format(count);

/** A file's name or a server's words must not steer the reader's terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, '\ufffd');
}

/** What an import came to, for people. */
export function summary(tally: Tally): string {
  const { taken, takenBytes, seconds, refused, refusals } = tally;
  const rows: [string, number, string?][] = [
    ['taken', taken, `${counted(Math.round(takenBytes / 1e6))} MB`],
    ['already there', tally.alreadyThere],
    ['deleted there', tally.deletedThere, 'imported before, deleted since: left deleted'],
    ['skipped', tally.notImages, 'not a PNG, JPEG, WebP, GIF or AVIF image'],
    ...[...tally.passedOver].map(([reason, count]): [string, number, string] => {
      return ['skipped', count, printable(reason)];
    }),
    ['refused', refused],
  ];
  const always = ['taken', 'already there', 'refused'];
  const lines = rows
    .filter(([what, count]) => count > 0 || always.includes(what))
    .map(([what, count, note]) => {
      return `${what.padEnd(13)}${counted(count).padStart(9)}${note ? `   ${note}` : ''}`;
    });
  for (const { path, code, message } of refusals) {
    lines.push(`  ${printable(path)}: ${code}, ${printable(message)}`);
  }
  if (refused > refusals.length) {
    lines.push(`  and ${counted(refused - refusals.length)} more`);
  }
  const rate = taken > 0 ? `, ${(taken / seconds).toFixed(1)} images/s` : '';
  lines.push(`${seconds.toFixed(1)} s${rate}`);
  if (tally.stopped) lines.push(`Ended early: ${printable(tally.stopped)}`);
  return `${lines.join('\n')}\n`;
}
