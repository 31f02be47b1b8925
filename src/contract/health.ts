import { type Static, Type } from 'typebox';

/** Why a dependency does not work: a closed list, for programs; the text beside it is for people. */
export const HEALTH_REASONS = [
  'unreachable',
  'timeout',
  'wrong_service',
  'wrong_password',
  'wrong_virtual_host',
  'permission_denied',
  'another_storage_service',
  'queue_conflict',
  'certificate_refused',
  'blocked',
  'wrong_token',
  'storage_full',
  'storage_unavailable',
  'catalog_damaged',
] as const;
export type HealthReason = (typeof HEALTH_REASONS)[number];

export const HEALTH_STATES = ['healthy', 'unhealthy'] as const;

export const DependencyHealth = Type.Object({
  status: Type.Enum([...HEALTH_STATES]),
  latency_ms: Type.Number(),
  mode: Type.Optional(Type.String({ description: 'in_process: the dependency is part of this' })),
  reason: Type.Optional(
    Type.Enum([...HEALTH_REASONS], {
      description: 'why it is unhealthy; absent while it is healthy',
    }),
  ),
  detail: Type.Optional(
    Type.String({ description: 'the reason in words, and what would be right' }),
  ),
});
export type DependencyHealth = Static<typeof DependencyHealth>;

/** A dependency does not work. The message is safe to show to clients. */
export class HealthError extends Error {
  override readonly name = 'HealthError';
  readonly reason: HealthReason;

  constructor(reason: HealthReason, message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}
