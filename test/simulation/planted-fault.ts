/**
 * Faults that a run can be given, to prove that the simulation finds them. Each is a change of what
 * stands around the code under test.
 */
export const PLANTED_FAULTS = {
  'answer-before-commit': 'a write is answered, and committed a while later',
  'settled-before-answer': 'a request is acknowledged as soon as it is received',
  'sweep-without-lock': 'the sweeper removes blobs without the lock that writes hold',
  'marked-before-published': 'events count as published before they are',
  'blob-not-synced': 'a blob counts as durable as soon as it has its name',
  'another-operation': 'a repetition of a write does not say that it is one',
} as const;

export type PlantedFault = keyof typeof PLANTED_FAULTS;
export const PLANTED_FAULT_NAMES = Object.keys(PLANTED_FAULTS) as PlantedFault[];
