import type { Nft } from '../../linux/nftables.ts';
import { isObject } from '../cni/config.ts';
import type { JsonObject } from '../cni/config.ts';
import { BRIDGE, TABLE } from './ruleset.ts';

/** Another program's chain that forwarded packets pass, and that drops what it has no rule for. */
interface DroppingChain {
  /** `ip filter FORWARD` */
  readonly name: string;
  /** Those that a packet can get to. */
  readonly rules: readonly JsonObject[];
  /** The handle of the rule after them, which takes all that is left; undefined: that is for the policy. */
  readonly last: number | undefined;
}

const DIRECTIONS = ['iifname', 'oifname'] as const;

/**
 * Lets the bridge's packets pass the chains of other firewalls that would drop them because they do not know them, as
 * those of dockerd, ufw and firewalld do: an accept in our own table ends nothing but our own table. The rules go to
 * the end, so whatever an administrator forbids explicitly stays forbidden.
 * @returns the chains that got rules
 */
export async function acceptInForeignChains(nft: Nft): Promise<string[]> {
  const changed: string[] = [];
  for (const chain of await droppingChains(nft)) {
    const missing = DIRECTIONS.filter((direction) => !chain.rules.some((rule) => isOurs(rule, direction)));
    if (missing.length === 0) continue;
    const place =
      chain.last === undefined ? `add rule ${chain.name}` : `insert rule ${chain.name} handle ${chain.last}`;
    await nft.load(missing.map((way) => `${place} ${way} "${BRIDGE}" accept comment "berth"\n`).join(''));
    changed.push(chain.name);
  }
  return changed;
}

/** Takes the rules away again. */
export async function leaveForeignChains(nft: Nft): Promise<void> {
  for (const { name, rules } of await forwardChains(nft)) {
    const ours = rules.filter((rule) => DIRECTIONS.some((direction) => isOurs(rule, direction)));
    const handles = ours.map((rule) => `delete rule ${name} handle ${String(rule['handle'])}\n`);
    if (handles.length > 0) await nft.load(handles.join(''));
  }
}

/** Those that drop as a matter of course: by their policy, or by a rule without a condition. */
export async function droppingChains(nft: Nft): Promise<DroppingChain[]> {
  const chains = await forwardChains(nft);
  return chains.flatMap(({ name, policy, rules }): DroppingChain[] => {
    const end = rules.findIndex((rule) => isUnconditional(rule));
    if (end < 0) return policy === 'drop' ? [{ name, rules, last: undefined }] : [];
    return [{ name, rules: rules.slice(0, end), last: Number(rules[end]?.['handle']) }];
  });
}

interface ForwardChain {
  readonly name: string;
  readonly policy: unknown;
  readonly rules: readonly JsonObject[];
}

/** Of filters that see IP packets: bridges have filters of their own, for packets that are not routed. */
async function forwardChains(nft: Nft): Promise<ForwardChain[]> {
  const all = objectsIn(await nft.list(['-j'], 'chains'), 'chain').filter(
    ({ hook, type, family }) => hook === 'forward' && type === 'filter' && FAMILIES.has(String(family)),
  );
  const chains: ForwardChain[] = [];
  for (const { family, table, name, policy } of all) {
    const words = [String(family), String(table), String(name)];
    if (words.slice(0, 2).join(' ') === TABLE) continue;
    const rules = objectsIn(await nft.list(['-j', '-a'], 'chain', ...words), 'rule');
    chains.push({ name: words.join(' '), policy, rules });
  }
  return chains;
}

const FAMILIES = new Set(['ip', 'ip6', 'inet']);

/** @see libnftables-json(5) */
function objectsIn(text: string | undefined, kind: 'chain' | 'rule'): JsonObject[] {
  if (text === undefined) return []; // it was removed meanwhile
  const { nftables } = JSON.parse(text) as { readonly nftables: readonly JsonObject[] };
  return nftables.flatMap((each) => (isObject(each[kind]) ? [each[kind]] : []));
}

/** Of a rule, without what has no say: counters, and comments as iptables makes them. */
function statements({ expr }: JsonObject): JsonObject[] {
  const all = Array.isArray(expr) ? expr.filter(isObject) : [];
  return all.filter((each) => !('counter' in each) && !(isObject(each['xt']) && each['xt']['name'] === 'comment'));
}

/** `iifname "berth0" accept` and nothing else, by whomever: iptables writes such a rule without our comment. */
function isOurs(rule: JsonObject, direction: (typeof DIRECTIONS)[number]): boolean {
  const [match, verdict, ...rest] = statements(rule);
  if (match === undefined || verdict === undefined || rest.length > 0 || !('accept' in verdict)) return false;
  const wanted = { op: '==', left: { meta: { key: direction } }, right: BRIDGE };
  return JSON.stringify(match['match']) === JSON.stringify(wanted);
}

function isUnconditional(rule: JsonObject): boolean {
  const [verdict, ...rest] = statements(rule).filter((each) => !('log' in each));
  return verdict !== undefined && rest.length === 0 && ('drop' in verdict || 'reject' in verdict);
}
