import { ServiceError } from '../contract/errors.ts';

const FULL = new Set(['ENOSPC', 'EDQUOT']);
const AWAY = new Set(['EROFS', 'EIO', 'EACCES', 'EPERM', 'EMFILE', 'ENFILE', 'ENODEV', 'ESTALE']);

/** What a failed file operation means to a client; an error that is none passes unchanged. */
export function diskFault(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code !== undefined && FULL.has(code)) return storageFull(error);
  if (code !== undefined && AWAY.has(code)) return storageUnavailable(error);
  return error;
}

export function storageFull(cause: unknown): ServiceError {
  return new ServiceError('storage_full', 'The storage is full; nothing was stored.', { cause });
}

export function storageUnavailable(cause: unknown): ServiceError {
  const message = 'The storage cannot be read or written at the moment; try again later.';
  return new ServiceError('storage_unavailable', message, { cause });
}
