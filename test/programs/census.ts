/** Prints what tests could leave on the host, one thing a line. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { hostCensus } from '../support/census.ts';

const { processes, mounts, cgroups, loops } = hostCensus();
const files = readdirSync(tmpdir()).filter((name) => /^(bd|berth)-/.test(name));
const rules = execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' }).split('\n').filter(Boolean);
const links = readdirSync('/sys/class/net');

for (const [kind, things] of Object.entries({ processes, mounts, cgroups, loops, files, rules, links })) {
  for (const thing of things.toSorted((a, b) => a.localeCompare(b))) process.stdout.write(`${kind}: ${thing}\n`);
}
