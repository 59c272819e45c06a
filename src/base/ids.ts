import { randomBytes } from 'node:crypto';

/** 64 hexadecimal digits, the form that Docker and the CRI clients show and shorten. */
export function newId(): string {
  return randomBytes(32).toString('hex');
}

/** What people are shown: the first 12 digits. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}
