import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Image } from '../../src/contract/image.ts';
import { LABEL_MAX_CHARACTERS } from '../../src/contract/limits.ts';
import type { Plan } from './import-folder.ts';

const TYPES: Record<Image['type'], true> = {
  portrait: true,
  token: true,
  map: true,
  item: true,
  other: true,
};
const VISIBILITIES: Record<Image['visibility'], true> = { public: true, private: true };

/** More would only wait in the service's queue. */
const CONCURRENCY_MAX_UPLOADS = 32;
const PATIENCE_MAX_SECONDS = 3_600;

export const USAGE = `Brings the images of a folder into the image service. Run again, it adds what is new.

  npm run import -- DIR --type TYPE --theme THEME [options]

  --type TYPE          ${Object.keys(TYPES).join(', ')}
  --theme THEME        such as fantasy or space_fantasy
  --recursive          folders inside DIR too; their names become tags
  --tag TAG            a tag for every image; may be repeated
  --visibility WHO     public (default) or private
  --url URL            where the service is (default http://127.0.0.1:8000)
  --concurrency N      uploads at the same time (default 4)
  --patience SECONDS   how long to go on trying while the service is busy or away (default 60)
  --help               this text

Exit code: 0 all is in the service, 1 something was refused or failed, 2 wrong usage,
130 interrupted by Ctrl-C (once: finishes what is under way; twice: ends at once).
`;

/** What is wrong with the command line, for the one who typed it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export type Command = Plan & { url: string; patienceMs: number };

/** Undefined when help is asked for. Throws UsageError. */
export async function parseCommand(args: string[]): Promise<Command | undefined> {
  const { values, positionals } = parsed(args);
  if (values.help) return undefined;
  const visibility = values.visibility && oneOf('--visibility', values.visibility, VISIBILITIES);
  return {
    folder: await folder(positionals),
    recursive: values.recursive,
    concurrency: within('--concurrency', values.concurrency, 1, CONCURRENCY_MAX_UPLOADS),
    patienceMs: within('--patience', values.patience, 0, PATIENCE_MAX_SECONDS) * 1000,
    url: serviceUrl(values.url),
    fields: {
      type: oneOf('--type', values.type, TYPES),
      theme: slug(values.theme),
      tags: values.tag,
      ...(visibility ? { visibility } : {}),
    },
  };
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        type: { type: 'string' },
        theme: { type: 'string' },
        recursive: { type: 'boolean', default: false },
        tag: { type: 'string', multiple: true, default: [] },
        visibility: { type: 'string' },
        url: { type: 'string', default: 'http://127.0.0.1:8000' },
        concurrency: { type: 'string', default: '4' },
        patience: { type: 'string', default: '60' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (thrown) {
    throw new UsageError((thrown as Error).message);
  }
}

async function folder(positionals: string[]): Promise<string> {
  const [given, ...more] = positionals;
  if (given === undefined || more.length > 0) {
    throw new UsageError(`One folder is needed, given were ${positionals.length}.`);
  }
  const path = resolve(given);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) throw new UsageError(`There is no folder ${path}.`);
  return path;
}

function oneOf<T extends string>(
  option: string,
  text: string | undefined,
  values: Record<T, true>,
): T {
  if (text !== undefined && Object.hasOwn(values, text)) return text as T;
  throw new UsageError(`${option} must be one of ${Object.keys(values).join(', ')}.`);
}

function slug(text: string | undefined): string {
  if (text && /^[a-z0-9]+(_[a-z0-9]+)*$/.test(text) && text.length <= LABEL_MAX_CHARACTERS) {
    return text;
  }
  const rule = 'lower-case letters and digits, words joined by single underscores';
  throw new UsageError(
    `--theme must be a slug of up to ${LABEL_MAX_CHARACTERS} characters: ${rule}.`,
  );
}

function serviceUrl(text: string): string {
  if (/^https?:$/.test(URL.parse(text)?.protocol ?? '')) return text;
  throw new UsageError('--url must be an address such as http://127.0.0.1:8000.');
}

function within(option: string, text: string, least: number, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`${option} must be a whole number from ${least} to ${most}.`);
}
