import { createCipheriv } from 'node:crypto';
import type { TarMember } from '../../test/support/tar.ts';

export interface ContentOptions {
  /** Other content for another seed. */
  readonly seed: number;
  /** As many files as fill so much, or as many as told, whichever comes first. */
  readonly totalBytes: number;
  readonly mostFiles: number;
  /** Sizes reach from the one to the other; most files are small. */
  readonly smallest: number;
  readonly largest: number;
}

const FILES_IN_FOLDER = 25;
const POOL_BYTES = 32 * 1024 * 1024;
/** Of a file: so much is noise, as in programs, and the rest words. It makes gzip save six tenths. */
const NOISE = 1 / 10;

/**
 * Files as software has them: few big and many small ones, in folders three deep. gzip gets them about as small as real
 * ones. The same seed gives the same files.
 */
export function softwareFiles({ seed, totalBytes, mostFiles, smallest, largest }: ContentOptions): TarMember[] {
  const next = randomNumbers(seed);
  const noise = noisePool();
  const words = wordPool(next);
  const members: TarMember[] = [{ name: 'srv/' }, { name: `srv/${seed}/` }];
  for (let count = 0, bytes = 0; count < mostFiles && bytes < totalBytes; count += 1) {
    const folder = Math.floor(count / FILES_IN_FOLDER);
    const parent = `srv/${seed}/part-${Math.floor(folder / FILES_IN_FOLDER)}`;
    if (count % FILES_IN_FOLDER ** 2 === 0) members.push({ name: `${parent}/` });
    if (count % FILES_IN_FOLDER === 0) members.push({ name: `${parent}/folder-${folder}/` });
    const size = Math.floor(smallest * (largest / smallest) ** (next() ** 2));
    const noisy = Math.floor(size * NOISE);
    const content = Buffer.concat([slice(noise, noisy, next()), slice(words, size - noisy, next())]);
    members.push({ name: `${parent}/folder-${folder}/file-${count}`, content });
    bytes += size;
  }
  return members;
}

function slice(pool: Buffer, size: number, where: number): Buffer {
  const start = Math.floor(where * (pool.length - size));
  return pool.subarray(start, start + size);
}

/** From 0 to 1. @see Numerical Recipes, 7.1: the constants of a linear congruential generator */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function noisePool(): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(POOL_BYTES));
}

/** Words of a small language, frequent ones more often than rare ones. */
function wordPool(next: () => number): Buffer {
  const words = Array.from({ length: 4096 }, () => Math.floor(next() * 36 ** (3 + next() * 6)).toString(36));
  const pool = Buffer.alloc(POOL_BYTES);
  for (let at = 0; at < POOL_BYTES; ) {
    const word = words[Math.floor(next() ** 8 * words.length)] ?? '';
    at += pool.write(next() < 0.1 ? `${word}\n` : `${word} `, at);
  }
  return pool;
}
