import { HealthError, type HealthReason } from '../../contract/health.ts';

const NETWORK: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'EAI_FAIL']);
const LATE: ReadonlySet<string> = new Set([
  'TIMEOUT',
  'CONNECTION_TIMEOUT',
  'SOCKET_TIMEOUT',
  'ETIMEDOUT',
]);
const NO_AMQP: ReadonlySet<string> = new Set([
  'NOT_A_BROKER',
  'VERSION_MISMATCH',
  'FRAME_ERROR',
  'CODEC',
  'COMMAND_INVALID',
  'UNEXPECTED_FRAME',
]);
const NO_TLS = /^(EPROTO|ERR_SSL_)/;
const CERTIFICATE =
  /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|ERR_TLS_|HOSTNAME_MISMATCH|INVALID_CA/;

/** The texts are shown to clients: they name the setting, never its value. */
const TEXTS = {
  unreachable: 'Nothing accepts connections at the address in MESSAGE_HUB_URL.',
  unresolved: 'The host name in MESSAGE_HUB_URL cannot be resolved.',
  closed: 'The message hub closed the connection.',
  timeout: 'The message hub did not answer in time.',
  wrong_service: 'What answers at the address in MESSAGE_HUB_URL is not an AMQP 0-9-1 broker.',
  no_tls:
    'What answers at the address in MESSAGE_HUB_URL does not speak TLS; amqp: is without TLS.',
  wrong_password: 'The message hub refused the user or password in MESSAGE_HUB_URL.',
  wrong_virtual_host:
    'The virtual host in MESSAGE_HUB_URL does not exist, or its user has no access to it.',
  permission_denied:
    'The user in MESSAGE_HUB_URL lacks a permission; docs/message-hub.md lists those it needs.',
  another_storage_service: 'Another storage service takes the requests of this message hub.',
  queue_conflict: 'The message hub has a queue or exchange of the same name with other arguments.',
  certificate_refused: 'The TLS certificate of the message hub was not accepted.',
  blocked: 'The message hub is short of memory or disk and accepts no messages.',
} as const;

export function hubFault(reason: keyof typeof TEXTS & HealthReason, cause?: unknown): HealthError {
  return new HealthError(reason, TEXTS[reason], cause);
}

/** Why a connection was lost or could not be made. */
export function connectionFault(error: Error): HealthError {
  const { code = '' } = error as NodeJS.ErrnoException;
  const fault = (reason: HealthReason, text: keyof typeof TEXTS) =>
    new HealthError(reason, TEXTS[text], error);
  if (NETWORK.has(code)) return fault('unreachable', 'unresolved');
  if (LATE.has(code)) return hubFault('timeout', error);
  if (NO_AMQP.has(code)) return hubFault('wrong_service', error);
  if (CERTIFICATE.test(code)) return hubFault('certificate_refused', error);
  if (NO_TLS.test(code)) return fault('wrong_service', 'no_tls');
  if (code === 'ACCESS_REFUSED') return hubFault('wrong_password', error);
  if (code === 'NOT_ALLOWED' || code === 'NOT_FOUND') return hubFault('wrong_virtual_host', error);
  if (code === 'CONN_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE')
    return fault('unreachable', 'closed');
  return hubFault('unreachable', error);
}

/** Why a channel of a connection that works could not be set up. */
export function channelFault(error: Error): HealthError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ACCESS_REFUSED') return hubFault('permission_denied', error);
  if (code === 'RESOURCE_LOCKED') return hubFault('another_storage_service', error);
  if (code === 'PRECONDITION_FAILED') return hubFault('queue_conflict', error);
  return hubFault('timeout', error);
}
