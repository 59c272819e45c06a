import { BerthError } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';

interface Named {
  readonly id: string;
  readonly spec: { readonly name: string };
}

/** What exists, by id and by name. A name belongs to one item from the moment that its creation begins. */
export class Registry<T extends Named> {
  readonly #kind: string;
  readonly #describe: (item: T) => string;
  readonly #byId = new Map<string, T>();
  readonly #idByName = new Map<string, string>();

  /**
   * @param kind what the items are called in messages: "container"
   * @param describe what is going on with one: "it is running, made 3m ago"
   */
  constructor(kind: string, describe: (item: T) => string) {
    this.#kind = kind;
    this.#describe = describe;
  }

  /** @throws BerthError AlreadyExists when the name or the id is taken */
  reserve(id: string, name: string): void {
    const holder = this.#idByName.get(name);
    if (holder !== undefined && holder !== id) {
      const item = this.#byId.get(holder);
      const fact = item === undefined ? 'it is being created' : this.#describe(item);
      const message = `Cannot create ${this.#kind} "${name}": the name belongs to ${shortId(holder)}: ${fact}`;
      throw new BerthError('AlreadyExists', message, { field: 'name' });
    }
    this.#idByName.set(name, id);
  }

  add(item: T): void {
    this.#byId.set(item.id, item);
    this.#idByName.set(item.spec.name, item.id);
  }

  remove(id: string, name: string): void {
    this.#byId.delete(id);
    if (this.#idByName.get(name) === id) this.#idByName.delete(name);
  }

  get(id: string): T | undefined {
    return this.#byId.get(id);
  }

  all(): readonly T[] {
    return [...this.#byId.values()];
  }

  isNameTaken(name: string): boolean {
    return this.#idByName.has(name);
  }

  /**
   * Finds by id, by name, or by a prefix of an id that fits one item only.
   * @throws BerthError NotFound; InvalidArgument when a prefix fits several
   */
  find(wanted: string): T {
    const exact = this.#byId.get(wanted) ?? this.#byId.get(this.#idByName.get(wanted) ?? '');
    if (exact !== undefined) return exact;
    const fitting = /^[0-9a-f]+$/.test(wanted) ? this.all().filter(({ id }) => id.startsWith(wanted)) : [];
    const [only, ...others] = fitting;
    if (only === undefined) throw new BerthError('NotFound', `Cannot find ${this.#kind} "${wanted}": there is none`);
    if (others.length === 0) return only;
    const names = fitting.map((item) => `${shortId(item.id)} (${item.spec.name})`).join(', ');
    throw new BerthError('InvalidArgument', `Cannot find ${this.#kind} "${wanted}": it fits ${names}`);
  }
}
