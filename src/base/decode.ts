import * as v from 'valibot';
import { BerthError } from './errors.ts';

export type Schema<T> = v.GenericSchema<unknown, T>;

/**
 * Reads data from outside with a schema. The first thing that is wrong is told with its path, what was found and what
 * is wanted; a key that nobody knows is told with the nearest one that exists.
 * @throws BerthError InvalidArgument with `field`
 */
export function decode<T>(schema: Schema<T>, input: unknown, what: string): T {
  const result = v.safeParse(schema, input, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const field = v.getDotPath(issue) ?? '';
  throw new BerthError('InvalidArgument', `Cannot read ${what}: ${explain(schema, issue, field)}`, { field });
}

function explain(schema: Schema<unknown>, issue: v.BaseIssue<unknown>, field: string): string {
  const name = field === '' ? 'it' : `"${field}"`;
  if (issue.type === 'strict_object' && issue.expected === 'never') return unknownKey(schema, issue, field);
  if (issue.received === 'undefined') return `${name} is missing: must be ${wanted(issue)}`;
  return `${name} is ${issue.received}: must be ${wanted(issue)}`;
}

/** A `v.check(…, message)` says in its message what is wanted; the other validations say it in `expected`. */
function wanted(issue: v.BaseIssue<unknown>): string {
  const expected = issue.expected ?? issue.message;
  return expected === 'Object' ? 'a table of keys and values' : expected;
}

function unknownKey(schema: Schema<unknown>, issue: v.BaseIssue<unknown>, field: string): string {
  const path = (issue.path ?? []).map(({ key }) => String(key)); // a key may have dots in it
  const known = keysAt(schema, path.slice(0, -1));
  const near = nearest(path.at(-1) ?? '', known);
  const all = known.length === 0 ? 'nothing of this name belongs here' : `must be one of ${known.join(', ')}`;
  const hint = near === undefined ? all : `did you mean "${near}"?`;
  return `"${field}" is not known: ${hint}`;
}

/** The keys that the object at `path` may have. Wrapped (optional) and piped schemas are looked into. */
function keysAt(schema: unknown, path: readonly string[]): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  if ('wrapped' in schema) return keysAt(schema.wrapped, path);
  if ('entries' in schema && typeof schema.entries === 'object' && schema.entries !== null) {
    const entries = schema.entries as Record<string, unknown>;
    const [head, ...rest] = path;
    return head === undefined ? Object.keys(entries) : keysAt(entries[head], rest);
  }
  if ('value' in schema) return keysAt(schema.value, path.slice(1));
  if ('item' in schema) return keysAt(schema.item, path.slice(1));
  return [];
}

/** The candidate with the fewest edits to `word`, unless even that one is far off. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, edits: editDistance(word, candidate) }))
    .toSorted((a, b) => a.edits - b.edits);
  const [best] = ranked;
  return best !== undefined && best.edits <= Math.max(2, Math.floor(word.length / 3)) ? best.candidate : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, change));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
