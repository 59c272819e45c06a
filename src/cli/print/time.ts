const UNITS = [
  ['year', 365 * 86_400_000],
  ['month', 30 * 86_400_000],
  ['week', 7 * 86_400_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** `3 minutes`, `1 hour`; less than a second is `a moment`. */
export function roughly(ms: number): string {
  const [name, length] = UNITS.find(([, unitMs]) => ms >= unitMs) ?? [];
  if (name === undefined || length === undefined) return 'a moment';
  const count = Math.floor(ms / length);
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

/** @param at Unix ms */
export function ago(at: number, now = Date.now()): string {
  return `${roughly(now - at)} ago`;
}

/** `17:45:03.120` on the clock of whoever looks. */
export function timeOfDay(at: number): string {
  const date = new Date(at);
  const [hours, minutes, seconds] = [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits);
  return `${hours}:${minutes}:${seconds}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** `2026-11-20` */
export function dayOf(at: number): string {
  const date = new Date(at);
  return [date.getFullYear(), ...[date.getMonth() + 1, date.getDate()].map(twoDigits)].join('-');
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0');
}
