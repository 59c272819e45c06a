import { BerthError } from './errors.ts';

const DURATION_UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['k', 1_024],
  ['m', 1_024 ** 2],
  ['g', 1_024 ** 3],
  ['t', 1_024 ** 4],
]);

/**
 * Reads `1500ms`, `10s`, `1m30s`, `2h`, `7d`; a bare number is seconds, as Docker's flags take it.
 * @returns ms
 * @throws BerthError InvalidArgument naming `field`
 */
export function parseDuration(text: string, field: string): number {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Math.round(Number(trimmed) * 1_000);
  const parts = [...trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/gy)];
  const isWhole = parts.length > 0 && parts.map(([part]) => part).join('') === trimmed;
  if (!isWhole) {
    throw new BerthError(
      'InvalidArgument',
      `Cannot read ${field} "${text}": must be a duration like 500ms, 10s or 1m30s`,
      {
        field,
      },
    );
  }
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (DURATION_UNITS_MS.get(unit ?? '') ?? 0), 0);
  return Math.round(ms);
}

/**
 * Reads `1048576`, `512k`, `64M`, `1.5GiB`; units are powers of 1024.
 * @returns bytes
 * @throws BerthError InvalidArgument naming `field`
 */
export function parseSize(text: string, field: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const factor = SIZE_UNITS.get(match?.[2]?.toLowerCase() ?? '');
  if (match === null || factor === undefined) {
    throw new BerthError('InvalidArgument', `Cannot read ${field} "${text}": must be a size like 64M or 1.5G`, {
      field,
    });
  }
  return Math.round(Number(match[1]) * factor);
}

/** Three digits are enough for people; a whole number of seconds has no zeros behind it. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(ms < 10_000 ? 2 : 1))}s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h${Math.floor((seconds % 3_600) / 60)}m`;
  return `${Math.floor(seconds / 86_400)}d${Math.floor((seconds % 86_400) / 3_600)}h`;
}

export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit] ?? ''}`;
}
