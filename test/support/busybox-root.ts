import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { BUSYBOX } from './busybox.ts';

const APPLETS = [
  'sh',
  'cat',
  'echo',
  'sleep',
  'true',
  'false',
  'kill',
  'ps',
  'id',
  'ls',
  'env',
  'head',
  'mount',
  'hostname',
  'dd',
  'yes',
  'seq',
  'stat',
  'touch',
  'wc',
  'ulimit',
  'grep',
  'printf',
  'date',
  'mkdir',
  'rm',
  'nc',
  'ip',
  'tail',
  'cut',
  'od',
  'setsid',
  'mknod',
];

/** A root with nothing but a static busybox and its applets, and three users. */
export function makeBusyboxRoot(folder: string): void {
  for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'root'])
    mkdirSync(`${folder}/${name}`, { recursive: true });
  copyFileSync(BUSYBOX, `${folder}/bin/busybox`);
  chmodSync(`${folder}/bin/busybox`, 0o755);
  chmodSync(`${folder}/tmp`, 0o1777);
  for (const applet of APPLETS) symlinkSync('busybox', `${folder}/bin/${applet}`);
  writeFileSync(`${folder}/bin/orphan`, '#!/no/such/interpreter\n', { mode: 0o755 });
  writeFileSync(`${folder}/etc/passwd`, 'root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\n');
  writeFileSync(`${folder}/etc/group`, 'root:x:0:\nweb:x:1001:\nextra:x:2000:web\n');
}
