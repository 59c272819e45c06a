/**
 * How often a long repetition is made: `npm test` does a tenth, `npm run test:long` all of it.
 * @param full what the invariant says
 */
export function repetitions(full: number): number {
  const scale = process.env['BERTH_TEST_LONG'] === '1' ? 1 : 0.1;
  return Math.max(1, Math.round(full * scale));
}
