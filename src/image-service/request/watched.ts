/** Routes that are asked every few seconds by whoever watches the service. */
export const WATCHED: ReadonlySet<string | undefined> = new Set([
  '/health',
  '/health/live',
  '/health/ready',
  '/metrics',
]);
