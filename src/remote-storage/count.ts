/**
 * Told of every message: `sent`, `repeated`, `received`, and those that changed nothing: `late` ones,
 * which nobody awaits (any more), and `malformed`, `expired` and `dead` ones.
 */
export type Count = (
  what: 'sent' | 'repeated' | 'received' | 'late' | 'malformed' | 'expired' | 'dead',
  eventType: string,
) => void;
