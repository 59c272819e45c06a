import { Buffer } from 'node:buffer';

/** One member of an archive. Nothing is checked: an archive may be as hostile as a test wants. */
export interface TarMember {
  readonly name: string | Buffer;
  /** The digit of the header; without it a file, or a folder when the name ends with `/`. */
  readonly type?: 'file' | 'link' | 'symlink' | 'char' | 'block' | 'folder' | 'fifo' | 'sparse';
  readonly content?: string | Buffer;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Unix seconds; a fraction goes into a pax header. */
  readonly mtime?: number;
  readonly device?: readonly [major: number, minor: number];
  readonly xattrs?: Readonly<Record<string, string | Buffer>>;
  /** More pax records, as they are. */
  readonly pax?: Readonly<Record<string, string | Buffer>>;
  /** Told in the header instead of the content's own. */
  readonly claimedSize?: number;
}

const BLOCK = 512;
const TYPES = {
  file: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  folder: '5',
  fifo: '6',
  sparse: 'S',
} as const;

/** Writes a tar: ustar headers, with pax headers for what does not fit into them. */
export function tarOf(members: readonly TarMember[]): Buffer {
  return Buffer.concat([...members.flatMap(memberBlocks), Buffer.alloc(2 * BLOCK)]);
}

/** The same without the two empty blocks at the end. */
export function tarWithoutEnd(members: readonly TarMember[]): Buffer {
  return Buffer.concat(members.flatMap(memberBlocks));
}

function memberBlocks(member: TarMember): Buffer[] {
  const content = Buffer.from(member.content ?? '');
  const pax = paxRecords(member);
  const extended = pax.length === 0 ? [] : [header({ name: 'PaxHeader' }, 'x', pax.length), ...padded(pax)];
  const type = member.type === undefined && isFolderName(member.name) ? 'folder' : (member.type ?? 'file');
  return [...extended, header(member, TYPES[type], member.claimedSize ?? content.length), ...padded(content)];
}

function isFolderName(name: string | Buffer): boolean {
  return Buffer.from(name).at(-1) === 0x2f;
}

function header(member: TarMember, type: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const [major, minor] = member.device ?? [0, 0];
  const folderMode = type === '5' ? 0o755 : 0o644;
  Buffer.from(member.name).copy(block, 0, 0, 100);
  block.write(octal(member.mode ?? folderMode, 7), 100);
  block.write(octal(Math.min(member.uid ?? 0, 0o7777777), 7), 108);
  block.write(octal(Math.min(member.gid ?? 0, 0o7777777), 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(Math.floor(Math.max(member.mtime ?? 0, 0)), 11), 136);
  block.write('        ', 148);
  block.write(type, 156);
  Buffer.from(member.link ?? '').copy(block, 157, 0, 100);
  block.write('ustar\x0000', 257);
  block.write(octal(major, 7), 329);
  block.write(octal(minor, 7), 337);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

function padded(content: Buffer): Buffer[] {
  return [content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)];
}

function paxRecords(member: TarMember): Buffer {
  const records: [string, string | Buffer][] = [];
  if (Buffer.from(member.name).length > 100) records.push(['path', member.name]);
  if (Buffer.from(member.link ?? '').length > 100) records.push(['linkpath', member.link ?? '']);
  if (!Number.isInteger(member.mtime ?? 0)) records.push(['mtime', String(member.mtime)]);
  if ((member.uid ?? 0) > 0o7777777) records.push(['uid', String(member.uid)]);
  for (const [name, value] of Object.entries(member.xattrs ?? {})) records.push([`SCHILY.xattr.${name}`, value]);
  records.push(...Object.entries(member.pax ?? {}));
  return Buffer.concat(records.map(([key, value]) => paxRecord(key, Buffer.from(value))));
}

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits too. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length += 1;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}
