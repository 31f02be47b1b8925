import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Image } from '../../src/contract/image.ts';
import { LABEL_MAX_CHARACTERS } from '../../src/contract/limits.ts';
import { isSlug, themeSlug } from '../../src/contract/theme-names.ts';
import type { Plan } from './import-folder.ts';
import type { Source } from './walk.ts';

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

export const USAGE = `Uploads the images of folders, or single files. Run again, it adds only what is new.

  npm run import -- PATH... --type TYPE --theme THEME [options]

  --type TYPE          ${Object.keys(TYPES).join(', ')}
  --theme THEME        such as fantasy or space_fantasy
  --theme-from-folders uses the name of each folder in PATH as the theme of its images, at any
                       depth (implies --recursive); --theme is then for images in no such folder
  --recursive          imports folders inside PATH too; their names become tags
  --tag TAG            a tag for every image; may be repeated
  --visibility WHO     public (default) or private
  --url URL            where the service is (default http://127.0.0.1:8000)
  --concurrency N      uploads at the same time (default 4)
  --patience SECONDS   how long to go on trying while the service is busy or away (default 60)
  --help               this text

In the container, with a service on this machine:
  podman run --rm --network host -v DIR:/art:ro,z dnd-image-service import /art --type TYPE --theme THEME

Exit code: 0 all is in the service, 1 something was refused or failed, or no image was found,
2 wrong usage,
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
  const themeFromFolders = values['theme-from-folders'];
  return {
    sources: await sources(positionals),
    recursive: values.recursive || themeFromFolders,
    themeFromFolders,
    concurrency: within('--concurrency', values.concurrency, 1, CONCURRENCY_MAX_UPLOADS),
    patienceMs: within('--patience', values.patience, 0, PATIENCE_MAX_SECONDS) * 1000,
    url: serviceUrl(values.url),
    fields: {
      type: oneOf('--type', values.type, TYPES),
      ...theme(values.theme, themeFromFolders),
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
        'theme-from-folders': { type: 'boolean', default: false },
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

async function sources(positionals: string[]): Promise<Source[]> {
  if (positionals.length === 0) {
    throw new UsageError('PATH is required: the folder or the file to import.');
  }
  return Promise.all(
    positionals.map(async (given) => {
      const path = resolve(given);
      const found = await stat(path).catch(() => undefined);
      const isFolder = found?.isDirectory() ?? false;
      if (!isFolder && !found?.isFile()) {
        throw new UsageError(`${path} does not exist, or is neither a folder nor a file.`);
      }
      return { path, isFolder };
    }),
  );
}

function theme(text: string | undefined, optional: boolean): { theme?: string } {
  if (text !== undefined) return { theme: slug(text) };
  if (optional) return {};
  throw new UsageError(
    '--theme is required, such as --theme fantasy; or use --theme-from-folders.',
  );
}

function oneOf<T extends string>(
  option: string,
  text: string | undefined,
  values: Record<T, true>,
): T {
  if (text !== undefined && Object.hasOwn(values, text)) return text as T;
  const names = Object.keys(values).join(', ');
  const message = text === undefined ? 'is required: one of' : `is ${text}; it must be one of`;
  throw new UsageError(`${option} ${message} ${names}.`);
}

function slug(text: string): string {
  const name = themeSlug(text);
  if (isSlug(name)) return name;
  const rule = `up to ${LABEL_MAX_CHARACTERS} letters from a to z and digits`;
  throw new UsageError(`--theme must be ${rule}, such as high_fantasy or "High Fantasy".`);
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
