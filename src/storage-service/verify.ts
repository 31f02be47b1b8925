import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStore } from './blobs/blob-store.ts';
import type { Catalog } from './catalog/catalog.ts';
import { isCatalogDamaged } from './disk-fault.ts';
import { leftOver } from './intake.ts';
import type { Sweeper } from './sweeper.ts';

const PAGE_BLOBS = 500;
/** Images named for one faulty blob. */
const NAMED_IMAGES = 5;
/** A file younger than that may be an upload of this moment. */
const YOUNG_MS = 60 * 60 * 1000;

export type Finding = {
  what: 'missing' | 'damaged' | 'orphan' | 'catalog' | 'left_over';
  /** For people: what is wrong and what it means. */
  message: string;
  repaired: boolean;
};

export type VerifyParts = {
  catalog: Catalog;
  blobs: BlobStore;
  incoming: string;
  sweeper: Sweeper;
  repair: boolean;
  /** Nobody else has the data folder, so nothing in it is on its way. */
  alone: boolean;
  progress(checkedBlobs: number): void;
};

/**
 * Checks the row of every blob, the hash and the row of every file, and the catalog within itself.
 * What can be repaired without inventing data is: files without a row go; damaged bytes are set aside, so
 * that sending the image again heals it; search rows and counts are made anew. Beside a running service,
 * files are removed by nobody but that service, which alone knows what is on its way.
 */
export async function verify(parts: VerifyParts): Promise<{ blobs: number; findings: Finding[] }> {
  const findings: Finding[] = [];
  await findDamage(parts, findings);
  const blobs = await findMissing(parts, findings);
  await findInconsistency(parts, findings);
  await findLeftOver(parts, findings);
  return { blobs, findings };
}

/** Before `findMissing`, which then tells of the images whose damaged bytes were removed. */
async function findDamage(parts: VerifyParts, findings: Finding[]): Promise<void> {
  const { catalog, blobs, repair, alone } = parts;
  let checked = 0;
  for await (const { sha256, modified_at } of blobs.list()) {
    parts.progress(++checked);
    if (!(await catalog.findBlob(sha256))) {
      const young = Date.now() - modified_at.getTime() < YOUNG_MS;
      if (alone || !young) findings.push(await orphan(parts, sha256));
    } else if ((await blobs.hash(sha256)) !== sha256 && (await catalog.findBlob(sha256))) {
      const repaired = repair && alone && (await blobs.setAside(sha256));
      const remedy = alone ? '' : ' To set them aside, stop the service first.';
      const done = repaired ? ' They are set aside.' : remedy;
      const message = `The bytes of ${sha256} are damaged.${done}`;
      findings.push({ what: 'damaged', message, repaired });
    }
  }
}

async function orphan(parts: VerifyParts, sha256: string): Promise<Finding> {
  const { catalog, sweeper, repair, alone } = parts;
  const message = `File ${sha256} belongs to no image.`;
  if (!repair) return { what: 'orphan', message, repaired: false };
  if (alone) return { what: 'orphan', message, repaired: (await sweeper.release([sha256])) === 1 };
  await catalog.forgetBlob(sha256, Date.now());
  const handed = `${message} The running service removes it in its next sweep.`;
  return { what: 'orphan', message: handed, repaired: true };
}

async function findMissing(parts: VerifyParts, findings: Finding[]): Promise<number> {
  const { catalog, blobs } = parts;
  let count = 0;
  for (let page = await catalog.blobsAfter('', PAGE_BLOBS); page.length > 0; ) {
    for (const { sha256, size_bytes } of page) {
      count += 1;
      const size = await blobs.size(sha256);
      if (size === size_bytes || !(await catalog.findBlob(sha256))) continue;
      const images = await catalog.imagesOfBlob(sha256, NAMED_IMAGES);
      const missing = size === undefined ? 'are missing' : `are ${size} instead of ${size_bytes}`;
      const named = images.length > 0 ? `images ${images.join(', ')}` : 'no image';
      const message = `The bytes of ${sha256} ${missing}: ${named}. Sending the same file again brings them back.`;
      findings.push({ what: 'missing', message, repaired: false });
    }
    page = await catalog.blobsAfter(page.at(-1)!.sha256, PAGE_BLOBS);
  }
  return count;
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
