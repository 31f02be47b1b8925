import { ServiceError } from '../../contract/errors.ts';

/** What is wrong with the bytes of a blob. */
export type Damage = 'missing' | 'size' | 'hash' | 'unreadable';

/** Told of what is found out about stored bytes. */
export type DamageObserver = {
  damaged(sha256: string, damage: Damage): void;
  /** The blob was compared with its hash, put again, or removed. */
  sound(sha256: string): void;
};

const CAUSES: Record<Damage, string> = {
  missing: 'is missing',
  size: 'has another size than its row says',
  hash: 'does not have its hash',
  unreadable: 'cannot be read from the disk',
};

export function contentDamaged(sha256: string, damage: Damage): ServiceError {
  const message =
    'The stored bytes of this image are damaged or missing. Sending the same file again repairs them.';
  const cause = new Error(`The blob ${sha256} ${CAUSES[damage]}; run verify.`);
  return new ServiceError('content_damaged', message, { cause });
}
