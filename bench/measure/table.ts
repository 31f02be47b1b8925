import { statfs } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import type { Answer, Finding, Question } from './question.ts';

/** statfs(2) */
const TMPFS_MAGIC = 0x01021994;

export async function printMachine(): Promise<void> {
  const { type } = await statfs(tmpdir());
  const cores = `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? 'CPU'}`;
  console.log(`Node ${process.version}, ${cores}, load ${loadavg()[0]?.toFixed(1)}`);
  if (type === TMPFS_MAGIC) {
    console.log(`${tmpdir()} is in memory: nothing there is durable. TMPDIR names a real disk.`);
  }
}

/** False when a target is missed. */
export function printAnswer({ name, asks }: Question, { findings, notes }: Answer): boolean {
  console.log(`\n${name}: ${asks}`);
  if (findings.length > 0) {
    printRows([
      ['what', 'ours', 'floor or peer', 'ratio', 'target', 'met'],
      ...findings.map(cellsOf),
    ]);
  }
  for (const note of notes) console.log(`  ${note}`);
  return findings.every((finding) => meets(finding) !== false);
}

function cellsOf(finding: Finding): string[] {
  const { what, unit, ours, peer, ratio } = finding;
  const met = meets(finding);
  return [
    what,
    `${short(ours)} ${unit}`,
    peer ? `${short(peer.value)} ${unit} ${peer.name}` : '',
    ratio === undefined ? '' : ratio.toFixed(2),
    targetOf(finding),
    met === undefined ? '' : met ? 'yes' : 'NO',
  ];
}

function targetOf({ target, unit }: Finding): string {
  if (!target) return '';
  const value = target.of === 'ratio' ? '' : ` ${unit}`;
  return 'atLeast' in target ? `≥ ${target.atLeast}${value}` : `≤ ${target.atMost}${value}`;
}

function meets({ target, ours, ratio }: Finding): boolean | undefined {
  if (!target) return undefined;
  const value = target.of === 'ratio' ? ratio : ours;
  if (value === undefined) return undefined;
  return 'atLeast' in target ? value >= target.atLeast : value <= target.atMost;
}

/** Three digits that mean something. */
function short(value: number): string {
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return String(Number(value.toPrecision(3)));
}

function printRows(rows: string[][]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) {
    console.log(
      `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd(),
    );
  }
}
