import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import type { TarMember } from '../../test/support/tar.ts';

/** Where Debian's packages put programs: that differs among its releases. */
const PROGRAM_FOLDERS = ['bin', 'sbin', 'usr/bin', 'usr/sbin'];

/** @param packages the folder into which packages were unpacked */
export function programIn(packages: string, name: string): string {
  const found = PROGRAM_FOLDERS.map((folder) => `${packages}/${folder}/${name}`).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`Cannot find program "${name}": no package in ${packages} has it`);
  return found;
}

/**
 * The shared libraries that programs need, found by the packages' own loader, and that loader at the path which is
 * written into the programs. The libraries go to /usr/lib, where Debian's loader looks on every architecture.
 */
export function librariesFor(packages: string, programs: readonly string[]): TarMember[] {
  const folders = libraryFolders(packages);
  const loader = loaderIn(folders);
  const found = new Map<string, string>();
  for (const program of programs) {
    const list = execFileSync(loader, ['--library-path', folders.join(':'), '--list', program], { encoding: 'utf8' });
    for (const [, name = '', path = ''] of list.matchAll(/^\s*(\S+) => (.+?)(?: \(0x|$)/gm)) {
      if (!path.startsWith(packages)) throw new Error(`Cannot find ${name} for ${basename(program)}: ${path}`);
      found.set(name, path);
    }
  }
  return [...found].map(([name, path]) => ({
    name: name.startsWith('/') ? name.slice(1) : `usr/lib/${name}`,
    content: readFileSync(path),
    mode: 0o755,
  }));
}

function libraryFolders(packages: string): string[] {
  return ['lib', 'usr/lib'].flatMap((folder) => {
    const inside = existsSync(`${packages}/${folder}`) ? readdirSync(`${packages}/${folder}`) : [];
    return inside.filter((name) => name.endsWith('-linux-gnu')).map((name) => `${packages}/${folder}/${name}`);
  });
}

function loaderIn(folders: readonly string[]): string {
  const found = folders
    .flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`))
    .find((path) => /\/ld-linux[^/]*\.so\.\d+$/.test(path));
  if (found === undefined) throw new Error(`Cannot find the loader of programs: not in ${folders.join(', ')}`);
  return found;
}
