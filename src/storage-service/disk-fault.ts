import { ServiceError } from '../contract/errors.ts';

/** EMLINK: a folder or file system that has reached one of its own limits. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EMLINK']);

/**
 * What a failed file operation means to a client; an error that is none passes unchanged. An error of
 * the system is recognised by its errno, not by a list of codes: file systems fail in many ways, and
 * none of them is a fault of the request or of this program.
 */
export function diskFault(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code !== undefined && FULL.has(code)) return storageFull(error);
  return isSystemError(error) ? storageUnavailable(error) : error;
}

/** `syscall` tells it from errors of Node itself, such as of a stream that was closed. */
function isSystemError(error: unknown): boolean {
  const { code, errno, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  return typeof code === 'string' && typeof errno === 'number' && typeof syscall === 'string';
}

export function storageFull(cause: unknown): ServiceError {
  return new ServiceError('storage_full', 'The storage is full; nothing was stored.', { cause });
}

export function storageUnavailable(cause: unknown): ServiceError {
  const message = 'The storage cannot be read or written at the moment; try again later.';
  return new ServiceError('storage_unavailable', message, { cause });
}

const DAMAGED_MESSAGE =
  'The catalog is damaged: nothing is stored any more, and some images cannot be read. The operator must run "npm run verify" and restore a backup.';

/** What the catalog's file says cannot be. Known by its message, which also crosses threads. */
export function catalogDamaged(cause: unknown): ServiceError {
  return new ServiceError('storage_unavailable', DAMAGED_MESSAGE, { cause });
}

export function isCatalogDamaged(error: unknown): error is ServiceError {
  return error instanceof ServiceError && error.message === DAMAGED_MESSAGE;
}
