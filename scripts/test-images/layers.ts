import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { TarMember } from '../../test/support/tar.ts';
import { softwareFiles } from './bench-content.ts';
import { librariesFor, programIn } from './packages.ts';

const PASSWD = `root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`;
const GROUP = `root:x:0:
www-data:x:33:
nogroup:x:65534:
`;

/** A busybox has none. Prints the pids of the processes whose name holds the word. */
const PGREP = `#!/bin/sh
code=1
for process in /proc/[0-9]*; do
  name=
  { read -r name <"$process/comm"; } 2>/dev/null
  case $name in
    *"$1"*) [ "$process" = "/proc/$$" ] || { echo "\${process#/proc/}" && code=0; } ;;
  esac
done
exit $code
`;

/** The layers that have a name of their own. All others hold one small file, so that images differ. */
const LAYERS: Readonly<Record<string, (packages: string) => TarMember[]>> = {
  base,
  nginx,
  httpd: () => [{ name: 'www/' }, page('www/index.html', 'It works')],
  'nginx-12003': () => [nginxConfig(12003)],
  setuid,
  'predefined-group': predefinedGroup,
  pause: (packages) => [{ name: 'catatonit', content: readFileSync(programIn(packages, 'catatonit')), mode: 0o755 }],
  'bench-1': () => applicationPart(1, 200),
  'bench-2': () => applicationPart(2, 100),
  'bench-3': () => applicationPart(3, 60),
  'bench-4': () => applicationPart(4, 20),
  'bench-many-files': manyFiles,
};

/** @param packages the folder into which the packages of scripts/test-images.sh were unpacked */
export function layerMembers(name: string, packages: string): TarMember[] {
  return LAYERS[name]?.(packages) ?? [{ name: `this-is-${name}`, content: `${name}\n` }];
}

/**
 * A root for shells. Its busybox is the dynamic one, which runs other applets as programs: the static one runs them by
 * itself, though they were masked. For the same reason the applets are hard links: what is put over one must not be put
 * over all.
 */
function base(packages: string): TarMember[] {
  const busybox = programIn(packages, 'busybox');
  const ipcs = programIn(packages, 'ipcs');
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  const folders = 'bin dev etc home proc run sbin sys usr usr/bin usr/lib usr/sbin var var/log var/run var/www';
  return [
    ...folders.split(' ').map((name) => ({ name: `${name}/` })),
    { name: 'root/', mode: 0o700 },
    { name: 'tmp/', mode: 0o1777 },
    { name: 'var/tmp/', mode: 0o1777 },
    { name: 'bin/busybox', content: readFileSync(busybox), mode: 0o755 },
    ...applets.filter((name) => name !== 'busybox').map(hardLink),
    { name: 'usr/bin/ipcs', content: readFileSync(ipcs), mode: 0o755 },
    { name: 'usr/bin/pgrep', content: PGREP, mode: 0o755 },
    ...librariesFor(packages, [busybox, ipcs]),
    { name: 'etc/passwd', content: PASSWD },
    { name: 'etc/group', content: GROUP },
    { name: 'etc/nsswitch.conf', content: 'passwd: files\ngroup: files\nhosts: files dns\n' },
  ];
}

function hardLink(applet: string): TarMember {
  return { name: `bin/${applet}`, type: 'link', link: 'bin/busybox', mode: 0o755 };
}

function nginx(packages: string): TarMember[] {
  const program = programIn(packages, 'nginx');
  const folders = 'etc/nginx usr/share usr/share/nginx usr/share/nginx/html var/lib var/lib/nginx var/log/nginx';
  return [
    ...folders.split(' ').map((name) => ({ name: `${name}/` })),
    { name: 'usr/sbin/nginx', content: readFileSync(program), mode: 0o755 },
    ...librariesFor(packages, [program]),
    page('usr/share/nginx/html/index.html', 'nginx'),
    nginxConfig(80),
  ];
}

/** Runs as PID 1, says on its standard streams what it does, and leaves its pid where the suite looks for it. */
function nginxConfig(port: number): TarMember {
  const content = `user www-data;
worker_processes 1;
pid /var/run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 64; }
http {
  access_log /dev/stdout;
  default_type text/html;
  server { listen ${port}; location / { root /usr/share/nginx/html; index index.html; } }
}
`;
  return { name: 'etc/nginx/nginx.conf', content };
}

function page(name: string, text: string): TarMember {
  return { name, content: `<html><body>${text}</body></html>\n` };
}

/** GNU's `id`, for busybox gives up what setuid gave it. */
function setuid(packages: string): TarMember[] {
  const id = programIn(packages, 'id');
  return [
    { name: 'setuid/' },
    { name: 'setuid/id', content: readFileSync(id), mode: 0o4755 },
    ...librariesFor(packages, [id]),
  ];
}

function predefinedGroup(): TarMember[] {
  const user = 'default-user';
  return [
    { name: 'etc/passwd', content: `${PASSWD}${user}:x:1000:1000:${user}:/home/${user}:/bin/sh\n` },
    { name: 'etc/group', content: `${GROUP}${user}:x:1000:\ngroup-defined-in-image:x:50000:${user}\n` },
    { name: `home/${user}/`, uid: 1000, gid: 1000 },
  ];
}

function applicationPart(seed: number, megabytes: number): TarMember[] {
  const totalBytes = megabytes * 1e6;
  return softwareFiles({ seed, totalBytes, mostFiles: Infinity, smallest: 1024, largest: 512 * 1024 });
}

function manyFiles(): TarMember[] {
  return softwareFiles({ seed: 5, totalBytes: Infinity, mostFiles: 50_000, smallest: 256, largest: 16 * 1024 });
}
