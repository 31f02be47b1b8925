import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { ServiceError } from '../contract/errors.ts';
import type { BlobStore, StoredBlob } from './blobs/blob-store.ts';
import type { Catalog } from './catalog/catalog.ts';
import { isCatalogDamaged } from './disk-fault.ts';
import { leftOver } from './intake.ts';
import type { Sweeper } from './sweeper.ts';

const PAGE_BLOBS = 500;
/** Images named for one faulty blob. */
const NAMED_IMAGES = 5;
/** A file younger than that may be an upload of this moment. */
const YOUNG_MS = 60 * 60 * 1000;
/**
 * So many files without a row, and such a share of all files, are no remains of uploads: the catalog is
 * hardly the one of these files.
 */
const ORPHANS_BELIEVED = 10;
const ORPHANS_BELIEVED_SHARE = 0.5;
/** Errors that say nothing of the file. */
const OF_THE_PROCESS: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

export type Finding = {
  what: 'missing' | 'damaged' | 'orphan' | 'catalog' | 'left_over';
  /** For people: what is wrong and what it means. */
  message: string;
  repaired: boolean;
};

export type Verified = { blobs: number; findings: Finding[]; foreign: string | undefined };

export type VerifyParts = {
  catalog: Catalog;
  blobs: BlobStore;
  incoming: string;
  sweeper: Sweeper;
  repair: boolean;
  /** Repair also when the catalog seems to be another one than that of these files. */
  removeOrphans: boolean;
  /** Nobody else has the data folder, so nothing in it is on its way. */
  alone: boolean;
  progress(checkedBlobs: number): void;
};

/**
 * Checks the row of every blob, the hash and the row of every file, and the catalog within itself.
 * What can be repaired without inventing data is: files without a row go; damaged bytes are set aside, so
 * that sending the image again heals it; search rows and counts are made anew. Beside a running service,
 * files are removed by nobody but that service, which alone knows what is on its way.
 *
 * `foreign` tells that the catalog is probably not the one of these files; with `repair` that is an
 * Error for people, before anything is changed.
 */
export async function verify(parts: VerifyParts): Promise<Verified> {
  const findings: Finding[] = [];
  const foreign = await foreignCatalog(parts);
  if (foreign && parts.repair && !parts.removeOrphans) throw new Error(foreign);
  const damaged = await findDamage(parts, findings);
  const blobs = await findMissing(parts, findings, damaged);
  await findInconsistency(parts, findings);
  await findLeftOver(parts, findings);
  return { blobs, findings, foreign };
}

async function foreignCatalog(parts: VerifyParts): Promise<string | undefined> {
  let files = 0;
  let orphans = 0;
  for await (const file of entries(parts, [])) {
    files += 1;
    if (isSettled(parts, file) && !(await parts.catalog.findBlob(file.sha256))) orphans += 1;
  }
  const most = orphans > ORPHANS_BELIEVED && orphans > files * ORPHANS_BELIEVED_SHARE;
  if (orphans === 0 || (orphans < files && !most)) return undefined;
  return `The catalog knows ${files - orphans} of the ${files} files, so it is probably not the catalog of these files, and a repair would remove ${orphans} of them. Stop the service, move catalog.sqlite away and bring back the one of the backup ("npm run restore"). To remove the files anyway: --repair --remove-orphans.`;
}

/** What cannot be looked at is a finding, and the others come all the same. */
async function* entries({ blobs }: VerifyParts, findings: Finding[]): AsyncGenerator<StoredBlob> {
  try {
    yield* blobs.list();
  } catch (error) {
    const message = `A part of the folder of blobs cannot be read (${codeOf(error)}).`;
    findings.push({ what: 'damaged', message, repaired: false });
  }
}

/** A young file may be on its way, unless nobody else has the folder. */
function isSettled({ alone }: VerifyParts, { modified_at }: StoredBlob): boolean {
  return alone || Date.now() - modified_at.getTime() >= YOUNG_MS;
}

/** Before `findMissing`, which then tells of the images whose damaged bytes were removed. */
async function findDamage(parts: VerifyParts, findings: Finding[]): Promise<Set<string>> {
  const { catalog } = parts;
  const left = new Set<string>();
  let checked = 0;
  for await (const file of entries(parts, findings)) {
    const { sha256 } = file;
    parts.progress(++checked);
    if (!(await catalog.findBlob(sha256))) {
      if (isSettled(parts, file)) findings.push(await orphan(parts, sha256));
      continue;
    }
    const damage = await damageOf(parts.blobs, sha256);
    if (damage === undefined || !(await catalog.findBlob(sha256))) continue;
    const finding = await damaged(parts, sha256, damage);
    if (!finding.repaired) left.add(sha256);
    findings.push(finding);
  }
  return left;
}

async function damaged(parts: VerifyParts, sha256: string, damage: string): Promise<Finding> {
  const { catalog, blobs, repair, alone } = parts;
  const images = await imagesOf(catalog, sha256);
  let remedy = alone ? '' : ' To set them aside, stop the service first.';
  let repaired = false;
  if (repair && alone) {
    try {
      repaired = await blobs.setAside(sha256);
      if (repaired) remedy = ' They are set aside.';
    } catch (error) {
      remedy = ` They cannot be set aside (${codeOf(error)}).`;
    }
  }
  const message = `The bytes of ${sha256} ${damage}: ${images}.${remedy}`;
  return { what: 'damaged', message, repaired };
}

/** For people; undefined when the bytes are sound. */
async function damageOf(blobs: BlobStore, sha256: string): Promise<string | undefined> {
  try {
    return (await blobs.hash(sha256)) === sha256 ? undefined : 'are damaged';
  } catch (error) {
    return `cannot be read (${codeOf(error)})`;
  }
}

async function imagesOf(catalog: Catalog, sha256: string): Promise<string> {
  const images = await catalog.imagesOfBlob(sha256, NAMED_IMAGES);
  return images.length > 0 ? `images ${images.join(', ')}` : 'no image';
}

/** Of a fault of single entries; any other is thrown. */
function codeOf(error: unknown): string {
  const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
  if (!(error instanceof ServiceError) || OF_THE_PROCESS.has(code)) throw error;
  return code ?? error.code;
}

async function orphan(parts: VerifyParts, sha256: string): Promise<Finding> {
  const { catalog, sweeper, repair, alone } = parts;
  const message = `File ${sha256} belongs to no image.`;
  if (!repair) return { what: 'orphan', message, repaired: false };
  if (alone) {
    try {
      return { what: 'orphan', message, repaired: (await sweeper.release([sha256])) === 1 };
    } catch (error) {
      const kept = `${message} It cannot be removed (${codeOf(error)}).`;
      return { what: 'orphan', message: kept, repaired: false };
    }
  }
  await catalog.forgetBlob(sha256, Date.now());
  const handed = `${message} The running service removes it in its next sweep.`;
  return { what: 'orphan', message: handed, repaired: true };
}

/** `damaged`: told already, and still in their place. */
async function findMissing(
  parts: VerifyParts,
  findings: Finding[],
  damaged: ReadonlySet<string>,
): Promise<number> {
  const { catalog, blobs } = parts;
  let count = 0;
  for (let page = await catalog.blobsAfter('', PAGE_BLOBS); page.length > 0; ) {
    for (const { sha256, size_bytes } of page) {
      count += 1;
      const size = await sizeOf(blobs, sha256);
      if (size === size_bytes || !(await catalog.findBlob(sha256))) continue;
      if (typeof size !== 'number' && damaged.has(sha256)) continue;
      const images = await imagesOf(catalog, sha256);
      const found = typeof size === 'number' ? `are ${size} instead of ${size_bytes}` : size;
      const message = `The bytes of ${sha256} ${found ?? 'are missing'}: ${images}. Sending the same file again brings them back.`;
      findings.push({ what: 'missing', message, repaired: false });
    }
    page = await catalog.blobsAfter(page.at(-1)!.sha256, PAGE_BLOBS);
  }
  return count;
}

/** A text for people where the file cannot be looked at. */
async function sizeOf(blobs: BlobStore, sha256: string): Promise<number | string | undefined> {
  try {
    return await blobs.size(sha256);
  } catch (error) {
    return `cannot be read (${codeOf(error)})`;
  }
}

async function findInconsistency(parts: VerifyParts, findings: Finding[]): Promise<void> {
  const faults = await parts.catalog.check();
  if (faults.length === 0) return;
  if (parts.repair) await parts.catalog.rebuild().catch(unlessDamaged);
  const left = parts.repair ? new Set(await parts.catalog.check()) : new Set(faults);
  for (const fault of faults) {
    const message = `The catalog disagrees with itself: ${fault}.`;
    findings.push({ what: 'catalog', message, repaired: !left.has(fault) });
  }
}

/** Damage is no fault of the repair: what it left is found again. */
function unlessDamaged(error: unknown): void {
  if (!isCatalogDamaged(error)) throw error;
}

/** Files of uploads that ended with their process. What one had put among the blobs is an orphan. */
async function findLeftOver(parts: VerifyParts, findings: Finding[]): Promise<void> {
  const { incoming, repair, alone } = parts;
  if (!alone) return;
  for (const name of (await leftOver(incoming)).own) {
    if (repair) await fs.rm(join(incoming, name), { force: true });
    const message = `The unfinished upload ${name} was left behind; the next start removes it.`;
    findings.push({ what: 'left_over', message, repaired: repair });
  }
}
