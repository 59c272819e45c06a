import { readFileSync, readdirSync } from 'node:fs';
import { errnoOf, isMissing } from '../base/errors.ts';
import type { CgroupLayout } from './cgroup-layout.ts';

/**
 * One look at a cgroup: each file is read once, when it is first asked for. A cgroup may vanish at any moment and a
 * controller need not be there, so what cannot be read is undefined.
 */
export class CgroupLook {
  readonly #layout: CgroupLayout;
  readonly #path: string;
  readonly #texts = new Map<string, string | undefined>();

  /** @param path below every hierarchy's root */
  constructor(layout: CgroupLayout, path: string) {
    this.#layout = layout;
    this.#path = path;
  }

  /** On a hybrid host some controllers are v1's and others v2's. */
  isV1(controller: string): boolean {
    return this.#layout.controllers.has(controller);
  }

  /** The name of a file begins with that of its controller, which says where it is. */
  text(file: string): string | undefined {
    if (!this.#texts.has(file)) this.#texts.set(file, read(this.pathOf(file)));
    return this.#texts.get(file);
  }

  pathOf(file: string): string {
    return `${this.#folderOf(file)}/${file}`;
  }

  /** The names of a controller's files. */
  names(controller: string): readonly string[] {
    try {
      return readdirSync(this.#folderOf(`${controller}.`)).filter((name) => name.startsWith(`${controller}.`));
    } catch (error) {
      if (isGone(error)) return [];
      throw error;
    }
  }

  /** Undefined for `max` too. */
  number(file: string): number | undefined {
    const text = this.text(file)?.trim();
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
  }

  /** A file with a name and a number on each line. */
  keyed(file: string): ReadonlyMap<string, number> {
    const lines = (this.text(file) ?? '').split('\n').map((line) => line.split(' '));
    return new Map(lines.map(([name = '', value]) => [name, Number(value)]));
  }

  #folderOf(file: string): string {
    const controller = file.slice(0, file.indexOf('.'));
    const mount = file.endsWith('.pressure') ? undefined : this.#layout.controllers.get(controller);
    return `${mount ?? this.#layout.unified ?? ''}${this.#path}`;
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isGone(error) || errnoOf(error) === 'EOPNOTSUPP') return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return isMissing(error) || errnoOf(error) === 'ENODEV';
}
