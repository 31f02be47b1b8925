import { connect } from './connection.ts';

/**
 * A process of its own, which whoever started it may kill: SQLite cannot be asked to stop, and a thread
 * that is within it cannot be ended. Prints what is wrong with a catalog, as a JSON list.
 */
const FAULTS_MAX = 10;

const path = process.argv[2]!;
try {
  using db = connect(path, 'read');
  const rows = db.prepare(`pragma quick_check(${FAULTS_MAX})`).all();
  const faults = rows.map((row) => String(row.quick_check)).filter((result) => result !== 'ok');
  process.stdout.write(JSON.stringify(faults));
} catch (error) {
  process.stdout.write(JSON.stringify([(error as Error).message]));
}
