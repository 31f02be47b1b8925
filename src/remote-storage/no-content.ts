/** The hash that no content has: who asks for it learns whether the token is accepted, and nothing else. */
export const NO_CONTENT = '0'.repeat(64);
