import { BerthError } from '../../base/errors.ts';
import { parseSignal } from '../../base/signals.ts';
import { parseDuration, parseSize } from '../../base/units.ts';

/** What turns the words behind an option into its value, or refuses them and names the option. */
export type Reader<T> = (text: string) => T;

export function refuse(option: string, text: string, wanted: string): never {
  throw new BerthError('InvalidArgument', `Cannot read ${option} "${text}": must be ${wanted}`, { field: option });
}

export function size(option: string): Reader<number> {
  return (text) => parseSize(text, option);
}

export function duration(option: string): Reader<number> {
  return (text) => parseDuration(text, option);
}

export function signal(option: string): Reader<string> {
  return (text) => parseSignal(text, option);
}

export function wholeNumber(option: string, wanted = 'a whole number'): Reader<number> {
  return (text) => (/^\d+$/.test(text) ? Number(text) : refuse(option, text, wanted));
}

export function oneOf<T extends string>(option: string, values: readonly T[]): Reader<T> {
  return (text) => values.find((value) => value === text) ?? refuse(option, text, values.join(' or '));
}

/** For an option that may stand there several times. */
export function each<T>(read: Reader<T>): (text: string, before: readonly T[] | undefined) => readonly T[] {
  return (text, before = []) => [...before, read(text)];
}

/** `key=value`; a key alone has an empty value. */
export function pair(option: string): Reader<readonly [string, string]> {
  return (text) => {
    const end = text.indexOf('=');
    if (end === 0 || text === '') return refuse(option, text, 'KEY=VALUE');
    return end < 0 ? [text, ''] : [text.slice(0, end), text.slice(end + 1)];
  };
}
