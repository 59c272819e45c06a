import type { EventLine } from '../../client/index.ts';

/** A value of an event's body, if it is a text. */
export function textIn({ body }: EventLine, key: string): string | undefined {
  const value = body[key];
  return typeof value === 'string' ? value : undefined;
}

/** A value of an event's body, if it is a number. */
export function numberIn({ body }: EventLine, key: string): number | undefined {
  const value = body[key];
  return typeof value === 'number' ? value : undefined;
}
