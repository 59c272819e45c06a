import { readFileSync } from 'node:fs';

interface Mount {
  readonly id: string;
  readonly parent: string;
  readonly point: string;
}

/**
 * Where something is mounted below a folder and can be seen there, the outer ones first.
 * @see proc_pid_mountinfo(5)
 */
export function mountPointsBelow(folder: string, mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): string[] {
  const mounts = mountinfo.split('\n').filter(Boolean).map(parseLine);
  const ids = new Set(mounts.map(({ id }) => id));
  const roots = mounts.filter(({ parent, id }) => !ids.has(parent) || parent === id);
  const points = roots.flatMap((root) => visibleFrom(root, mounts));
  return [...new Set(points)].filter((point) => isBelow(point, folder)).toSorted(byDepth);
}

/** One that was mounted later at a place above hides those that its parent has below that. */
function visibleFrom(mount: Mount, mounts: readonly Mount[]): string[] {
  const children = mounts.filter(({ parent, id }) => parent === mount.id && id !== mount.id);
  const seen = children.filter(({ point }) => !children.some((other) => isBelow(point, other.point)));
  return [mount.point, ...seen.flatMap((child) => visibleFrom(child, mounts))];
}

function isBelow(point: string, folder: string): boolean {
  return point !== folder && point.startsWith(folder === '/' ? '/' : `${folder}/`);
}

function byDepth(a: string, b: string): number {
  return a.split('/').length - b.split('/').length;
}

/** Blanks and the like are written in octal: `\040`. */
function parseLine(line: string): Mount {
  const [id = '', parent = '', , , point = ''] = line.split(' ');
  return {
    id,
    parent,
    point: point.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8))),
  };
}
