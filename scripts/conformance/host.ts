import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hostCensus } from '../../test/support/census.ts';
import type { Lab } from './lab.ts';

/** What the CNI plugins make once for all containers and never remove: a bridge, portmap's mark, and iptables' tables. */
const OF_PLUGINS = [
  /cni0|CNI-HOSTPORT|meta mark .*0x0*2000\b/,
  /^rule (\}|type .* hook .*|table ip6? (nat|filter) \{|chain (PREROUTING|POSTROUTING|OUTPUT|FORWARD) \{)$/,
];

/** All that can be left in this process's namespaces, and the runtime's cgroups, which are in none. A line for each. */
export function privateHost(lab: Lab): string[] {
  const { processes, mounts } = hostCensus(/^/);
  const { cgroups } = hostCensus(new RegExp(`${lab.cgroup}|/test\\.slice`));
  const rules = execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8', stdio: 'pipe' }).split('\n');
  const links = readFileSync('/proc/net/dev', 'utf8').split('\n').slice(2);
  return [
    ...processes.map((line) => `process ${line}`),
    ...mounts.map((line) => `mount ${line}`),
    ...cgroups.map((path) => `cgroup ${path}`),
    ...rules.map((line) => `rule ${line.trim()}`),
    ...links.map((line) => `link ${line.split(':')[0]?.trim() ?? ''}`),
  ];
}

/** What is there now and was not before. */
export function leftOn(before: readonly string[], after: readonly string[]): string[] {
  return after.filter((line) => !before.includes(line) && !OF_PLUGINS.some((known) => known.test(line)));
}
