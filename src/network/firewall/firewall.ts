import { errorCodeOf, messageOf } from '../../base/errors.ts';
import type { Cidr } from '../../base/ip.ts';
import { formatCidr, networkOf } from '../../base/ip.ts';
import type { Log } from '../../base/log.ts';
import { Mailbox } from '../../base/mailbox.ts';
import type { Nft } from '../../linux/nftables.ts';
import { readRulesetGeneration } from '../../linux/ruleset-generation.ts';
import { acceptInForeignChains, leaveForeignChains } from './foreign-chains.ts';
import type { Elements, Forward } from './ruleset.ts';
import { FIXED_PART, TABLE, changeRules, elementsOf, flushRules, noElements } from './ruleset.ts';

/**
 * The table of host ports and masquerading, kept in the kernel as it is here. Until there is something for it to hold
 * nothing is touched. What others do to it is found by the number that the kernel counts up with every change of the
 * ruleset: as long as that is the one of our own last change, nothing has to be looked at.
 */
export class Firewall {
  readonly #nft: Nft;
  readonly #log: Log;
  readonly #mailbox = new Mailbox();
  readonly #forwards = new Map<string, readonly Forward[]>();
  #subnets: readonly Cidr[] = [];
  /** Counts the changes here. */
  #wanted = 0;
  /** What the kernel has, and after which change that was; undefined: it has no table of ours. */
  #loaded: { readonly change: number; readonly elements: Elements } | undefined;
  /** The kernel's number after our last change; undefined: others have changed something since. */
  #generation: number | undefined;
  /** The fixed part, as nft lists it. */
  #fixedPart: string | undefined;
  #isAcceptedElsewhere = false;
  #lastTrouble: string | undefined;

  constructor(nft: Nft, log: Log) {
    this.#nft = nft;
    this.#log = log;
  }

  /** From here on sandboxes with these addresses reach the world, as do their neighbours, and the bridge's packets pass. */
  serveSubnets(addresses: readonly Cidr[]): void {
    const known = new Set(this.#subnets.map(formatCidr));
    const added = addresses.map(networkOf).filter((subnet) => !known.has(formatCidr(subnet)));
    if (added.length === 0) return;
    this.#subnets = [...this.#subnets, ...added];
    this.#wanted += 1;
  }

  /** Replaces the sandbox's. Returns whether that changes anything. */
  setForwards(sandboxId: string, forwards: readonly Forward[]): boolean {
    if (forwards.length === 0 && !this.#forwards.has(sandboxId)) return false;
    if (forwards.length > 0) this.#forwards.set(sandboxId, forwards);
    else this.#forwards.delete(sandboxId);
    this.#wanted += 1;
    return true;
  }

  /**
   * Makes the kernel have what is here. Those who come while it works are served together by the next round.
   * @throws BerthError Unavailable when nft is not there or says no
   */
  settle(): Promise<void> {
    return this.#mailbox.run(async () => {
      try {
        await this.#settleOnce();
      } catch (error) {
        if (errorCodeOf(error) === 'DeadlineExceeded') throw error;
        await this.#settleOnce(); // what it built on may have changed in that moment; now all of it is looked at
      }
    });
  }

  /** Repairs what others have changed. What fails is told once, and tried again the next time. */
  async recheck(): Promise<void> {
    if (this.#wanted === 0) return;
    try {
      await this.settle();
      this.#lastTrouble = undefined;
    } catch (error) {
      const trouble = messageOf(error);
      if (trouble !== this.#lastTrouble) this.#log.error('host ports are not as they should be', { error: trouble });
      this.#lastTrouble = trouble;
    }
  }

  /** Puts what is here in the place of what an earlier daemon left, if it left anything. */
  takeOver(): Promise<void> {
    return this.#wanted > 0 ? this.recheck() : this.clear();
  }

  /** Takes everything out of the kernel. A host without nft has nothing in it. */
  async clear(): Promise<void> {
    try {
      await this.#mailbox.run(() => this.#remove());
    } catch (error) {
      this.#log.debug('rules for host ports cannot be looked for', { error: messageOf(error) });
    }
  }

  async #remove(): Promise<void> {
    if ((await this.#listFixedPart()) === undefined) return;
    await leaveForeignChains(this.#nft);
    await this.#nft.load(`delete table ${TABLE}\n`);
    this.#loaded = undefined;
    this.#generation = undefined;
  }

  async #settleOnce(): Promise<void> {
    if (this.#wanted === 0) return;
    const before = readRulesetGeneration();
    const isUntouched = before !== undefined && before === this.#generation;
    if (isUntouched && this.#loaded?.change === this.#wanted) return;
    this.#generation = undefined;

    let changes = await this.#load(isUntouched);
    const isAccepted = isUntouched && this.#isAcceptedElsewhere;
    if (this.#subnets.length > 0 && !isAccepted) changes += await this.#acceptElsewhere();
    const after = readRulesetGeneration();
    const isOurs = before !== undefined && after === before + changes;
    if (isOurs) this.#generation = after;
  }

  /** Returns how many changes that took. */
  async #load(isUntouched: boolean): Promise<number> {
    const loaded = this.#loaded;
    const next = {
      change: this.#wanted,
      elements: elementsOf({ subnets: this.#subnets, forwards: [...this.#forwards.values()].flat() }),
    };
    const isFixedPartThere = isUntouched || (loaded !== undefined && (await this.#listFixedPart()) === this.#fixedPart);
    if (loaded !== undefined && !isFixedPartThere) {
      this.#log.warn('our nftables table was changed by somebody else; it is made again', { table: TABLE });
    }
    const begin = isUntouched ? '' : isFixedPartThere ? flushRules() : FIXED_PART;
    const known = isUntouched && loaded !== undefined ? loaded.elements : noElements();
    const rules = begin + changeRules(known, next.elements);
    if (rules !== '') await this.#nft.load(rules);
    this.#loaded = next;
    if (!isFixedPartThere) this.#fixedPart = await this.#listFixedPart();
    return rules === '' ? 0 : 1;
  }

  async #listFixedPart(): Promise<string | undefined> {
    return this.#nft.list(['-t'], 'table', ...TABLE.split(' '));
  }

  /** Returns how many changes that took. */
  async #acceptElsewhere(): Promise<number> {
    this.#isAcceptedElsewhere = false;
    const chains = await acceptInForeignChains(this.#nft);
    this.#isAcceptedElsewhere = true;
    if (chains.length > 0) this.#log.info('the bridge was let through the chains of another firewall', { chains });
    return chains.length;
  }
}
