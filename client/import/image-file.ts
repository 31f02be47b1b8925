import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { CONTENT_MAX_BYTES, LABEL_MAX_CHARACTERS } from '../../src/contract/limits.ts';

/** An image found in the folder, and what its place says about it. */
export type ImageFile = {
  /** Relative to the imported folder, with `/`. */
  path: string;
  /** Read when it is sent, not before; fails if the file changed since. */
  content: File;
  name: string;
  /** Names of the folders on the way to it. */
  folders: string[];
  /** Same path and same bytes, same image: SHA-256 of path, NUL and bytes. */
  sourceId: string;
};

/** Why a file cannot be imported, known without asking the service. */
export class FileError extends Error {
  override readonly name = 'FileError';
  readonly code: 'unreadable' | 'content_too_large';

  constructor(code: FileError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Reaches over the brands that an AVIF file names after its first one. */
const HEAD_BYTES = 64;

/** Reads the file once; undefined when its first bytes are not an image's. Throws FileError. */
export async function imageFile(folder: string, path: string): Promise<ImageFile | undefined> {
  const fullPath = join(folder, path);
  try {
    if (!looksLikeImage(await head(fullPath))) return undefined;
    const content = new File([await openAsBlob(fullPath)], basename(path));
    if (content.size > CONTENT_MAX_BYTES) {
      const message = `has ${content.size} bytes, and up to ${CONTENT_MAX_BYTES} are taken`;
      throw new FileError('content_too_large', message);
    }
    return { path, content, ...labels(path), sourceId: await sourceId(path, content) };
  } catch (thrown) {
    throw thrown instanceof FileError ? thrown : unreadable(thrown);
  }
}

export function unreadable(thrown: unknown): FileError {
  const { code, name, path } = Object(thrown);
  if (name === 'NotReadableError') {
    return new FileError('unreadable', 'changed or went away while it was read');
  }
  // It stands in a name for bytes that are no text, and such a name leads nowhere.
  if (code === 'ENOENT' && String(path).includes('\ufffd')) {
    return new FileError('unreadable', 'has a name that is not UTF-8; rename it');
  }
  return new FileError('unreadable', `cannot be read (${code ?? thrown})`);
}

async function head(fullPath: string): Promise<Buffer> {
  await using file = await open(fullPath);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES));
  return buffer.subarray(0, bytesRead);
}

async function sourceId(path: string, content: Blob): Promise<string> {
  const hash = createHash('sha256').update(`${path}\0`);
  for await (const bytes of content.stream()) hash.update(bytes);
  return hash.digest('hex');
}

/** A first look that spares the upload; the service looks closer. */
export function looksLikeImage(head: Buffer): boolean {
  const text = head.toString('latin1');
  return (
    text.startsWith('\x89PNG\r\n\x1a\n') ||
    text.startsWith('\xff\xd8\xff') ||
    /^GIF8[79]a/.test(text) ||
    /^RIFF.{4}WEBP/s.test(text) ||
    /^.{4}ftyp.*avi[fs]/s.test(text)
  );
}

/** `elves/High_Archer-2.png` → name `High Archer 2`, folder `elves` */
export function labels(path: string): { name: string; folders: string[] } {
  const file = basename(path, extname(path));
  const folders = path.split('/').slice(0, -1);
  return {
    name: oneLine(file.replaceAll(/[_-]+/g, ' ')) || file,
    folders,
  };
}

/** The tag that a folder's name becomes; none when nothing of the name is left. */
export function tagsOf(folder: string): string[] {
  // A comma would make two tags of one.
  const text = oneLine(folder.replaceAll(',', ' ')).toLowerCase();
  const tag = [...text].slice(0, LABEL_MAX_CHARACTERS).join('').trim();
  return tag === '' ? [] : [tag];
}

function oneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
}
