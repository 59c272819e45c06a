import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const BERTH = new URL('../../berth', import.meta.url).pathname;

/** What the demonstration says to its audience. */
export function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** Shows a command and what it says, as somebody would see who types it. Resolves with its last line. */
export async function show(...args: readonly string[]): Promise<string> {
  say(`  $ ./berth ${args.map(quoted).join(' ')}`);
  const { child, said } = start(args);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`./berth ${args.map(quoted).join(' ')} ended with ${code}`);
  return said.at(-1) ?? '';
}

/** Shows a command that goes on in the background. */
export function showBehind(...args: readonly string[]): Promise<void> {
  say(`  $ ./berth ${args.map(quoted).join(' ')} &`);
  const { child } = start(args);
  return once(child, 'close').then(() => undefined);
}

/** A command of which the audience hears nothing. Resolves with what it printed, in lines. */
export async function ask(...args: readonly string[]): Promise<string[]> {
  const child = spawn(BERTH, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) lines.push(line);
  return lines;
}

function start(args: readonly string[]): { child: ChildProcess; said: readonly string[] } {
  const child = spawn(BERTH, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said: string[] = [];
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      said.push(line);
      say(`    ${line}`);
    });
  }
  return { child, said };
}

function quoted(word: string): string {
  return /^[\w./:=@-]+$/.test(word) ? word : `'${word}'`;
}
