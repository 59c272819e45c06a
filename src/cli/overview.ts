import { COMMAND_GROUPS } from './command-list.ts';

/** What `berth` shows when it is not told what to do. */
export function overview(): string {
  const names = COMMAND_GROUPS.flatMap(({ commands }) => commands.map(({ name }) => name.length));
  const width = Math.max(...names);
  const groups = COMMAND_GROUPS.map(({ title, commands }) => {
    const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`);
    return `\n${title}\n${lines.join('')}`;
  });
  return [
    'Usage: berth COMMAND [options]\n',
    ...groups,
    '\n"berth COMMAND --help" tells more of one command.\n',
    "BERTH_SOCKET names the daemon's socket; without it, it is /run/berth/berth.sock.\n",
  ].join('');
}
