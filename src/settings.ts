/** One setting of a service: how `--help` shows it, and how its text becomes a value. */
export type Setting<T> = {
  /** of the environment variable */
  name: string;
  default: T;
  /** Without it the service does not start; `default` is then only its type. */
  required?: true;
  describe: string;
  /** Never shown: it is or holds a password. */
  secret?: true;
  /** Throws an Error whose message says what would be right: "must be …". */
  parse(text: string): T;
};

type Table = Readonly<Record<string, Setting<unknown>>>;

export type Settings<T extends Table> = {
  readonly [K in keyof T]: T[K] extends Setting<infer V> ? V : never;
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** Its message names every faulty variable, its value and the remedy, one a line. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/**
 * The values of a table's settings; a variable that is absent or empty has its default.
 * Several tables are read at once by spreading them into one, so that all faults come together.
 */
export function readSettings<T extends Table>(table: T, env: Environment): Settings<T> {
  const values: Record<string, unknown> = {};
  const faults: string[] = [];
  for (const [key, setting] of Object.entries(table)) {
    const text = env[setting.name]?.trim();
    if (!text && setting.required) {
      faults.push(`  ${setting.name} is not set: ${setting.describe}`);
      continue;
    }
    try {
      values[key] = text ? setting.parse(text) : setting.default;
    } catch (thrown) {
      const shown = setting.secret ? '…' : text;
      faults.push(`  ${setting.name}=${shown}: ${(thrown as Error).message}`);
    }
  }
  if (faults.length > 0) {
    throw new SettingsError(`The service cannot start, settings are wrong:\n${faults.join('\n')}`);
  }
  return Object.freeze(values) as Settings<T>;
}

/** For `parse`: a whole number within bounds, both included. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new Error(`must be a whole number from ${least} to ${most}`);
  };
}

/** For `parse`: what a server can listen on. */
export function hostName(text: string): string {
  if (/^[A-Za-z0-9_.:-]+$/.test(text)) return text;
  throw new Error('must be an address or host name, such as 127.0.0.1');
}

/** For `parse`: a switch. */
export function onOrOff(text: string): boolean {
  if (/^(on|true|yes|1)$/i.test(text)) return true;
  if (/^(off|false|no|0)$/i.test(text)) return false;
  throw new Error('must be on or off');
}

/** For `parse`: an address of one of these protocols, such as `http:`. */
export function addressOf(...protocols: readonly string[]): (text: string) => string {
  return (text) => {
    const url = URL.parse(text);
    if (url?.hostname && protocols.includes(url.protocol)) return text;
    throw new Error(
      `must be an address that begins with ${protocols.map((one) => `${one}//`).join(' or ')}`,
    );
  };
}

/** What documents and `--help` show as the default. */
export function shownDefault(setting: Pick<Setting<unknown>, 'default' | 'required'>): string {
  const { required, default: value } = setting;
  if (required) return 'required';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return value === null ? 'none' : String(value) || 'none';
}
