/**
 * How often a long repetition is made: `npm test` does a tenth, `npm run test:long` all of it.
 * @param full what the invariant says
 */
export function repetitions(full: number): number {
  const scale = process.env['BERTH_TEST_LONG'] === '1' ? 1 : 0.1;
  return Math.max(1, Math.round(full * scale));
}

/**
 * How long work may take, for upper bounds: the host is so many times slower as BERTH_TEST_SLOW says. Times that berth
 * promises do not grow with it, only what is allowed on top of them.
 * @param ms on a usual host
 */
export function allowance(ms: number): number {
  return ms * Number(process.env['BERTH_TEST_SLOW'] ?? 1);
}

/** Whether it came when it was promised: hardly early, and no later than a host of this speed sees it. */
export function isOnTime(tookMs: number, promisedMs: number, toleranceMs: number): boolean {
  return tookMs > promisedMs - toleranceMs && tookMs < promisedMs + allowance(toleranceMs);
}
