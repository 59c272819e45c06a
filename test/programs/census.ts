/** Prints what tests could leave on the host, one thing a line: census.ts [REGEX]. All of it, or what has that in its name. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { hostCensus } from '../support/census.ts';

const [whose] = process.argv.slice(2).map((text) => new RegExp(text));
const { processes, mounts, cgroups, loops } = hostCensus(whose);
const files = readdirSync(tmpdir()).filter((name) => (whose ?? /^(bd|berth)-/).test(name));
const rules = execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' }).split('\n').filter(isMeant);
// of this network namespace; /sys knows those of the namespace in which it was mounted
const links = readFileSync('/proc/net/dev', 'utf8').split('\n').slice(2).map(linkIn).filter(isMeant);

for (const [kind, things] of Object.entries({ processes, mounts, cgroups, loops, files, rules, links })) {
  for (const thing of things.toSorted((a, b) => a.localeCompare(b))) process.stdout.write(`${kind}: ${thing}\n`);
}

function isMeant(line: string): boolean {
  return line !== '' && (whose?.test(line) ?? true);
}

function linkIn(line: string): string {
  return line.slice(0, line.indexOf(':')).trim();
}
