import type { Tally } from './tally.ts';

const number = new Intl.NumberFormat('en');
export const counted = (count: number) => number.format(count);

/** A file's name or a server's words must not steer the reader's terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, '\ufffd');
}

/** What happened, to how many entries, a note, and lines about single ones. */
type Row = [what: string, count: number, note?: string, details?: string[]];

/** What an import came to, for people. */
export function summary(tally: Tally): string {
  const { taken, takenBytes, seconds, refused } = tally;
  const rows: Row[] = [
    ['taken', taken, `${counted(Math.round(takenBytes / 1e6))} MB`],
    ['already there', tally.alreadyThere],
    ['deleted there', tally.deletedThere, 'imported before, deleted since: left deleted'],
    ...[...tally.skipped].map(([reason, { count, paths }]): Row => {
      return ['skipped', count, printable(reason), shown(paths, count)];
    }),
    ['refused', refused, undefined, shown(tally.refusals.map(refusalLine), refused)],
  ];
  const always = ['taken', 'already there', 'refused'];
  const lines = rows
    .filter(([what, count]) => count > 0 || always.includes(what))
    .flatMap(([what, count, note, details = []]) => {
      const row = `${what.padEnd(13)}${counted(count).padStart(9)}${note ? `   ${note}` : ''}`;
      return [row, ...details];
    });
  const rate = taken > 0 ? `, ${(taken / seconds).toFixed(1)} images/s` : '';
  lines.push(`${seconds.toFixed(1)} s${rate}`);
  if (tally.stopped) lines.push(`Ended early: ${printable(tally.stopped)}`);
  return `${lines.join('\n')}\n`;
}

function refusalLine({ path, code, message }: Tally['refusals'][number]): string {
  return `${path}: ${code}, ${message}`;
}

/** The entries that are known by name, and how many there are beside them. */
function shown(texts: readonly string[], count: number): string[] {
  const lines = texts.map((text) => `  ${printable(text)}`);
  if (count > texts.length) lines.push(`  and ${counted(count - texts.length)} more`);
  return lines;
}
