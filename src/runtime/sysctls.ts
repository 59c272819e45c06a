import { BerthError } from '../base/errors.ts';
import type { NamespacePins } from '../engine/sandbox/state.ts';
import type { Sysctl } from '../linux/namespaces.ts';

/**
 * Which namespace a parameter belongs to. The others are the whole host's.
 * @see sysctl(5), namespaces(7): "the following interfaces are distinct in each IPC namespace"
 */
const OWNERS: readonly { readonly names: RegExp; readonly kind: keyof NamespacePins }[] = [
  { names: /^net\//, kind: 'net' },
  { names: /^kernel\/(?:shm|msg)\w+$/, kind: 'ipc' },
  { names: /^kernel\/sem$/, kind: 'ipc' },
  { names: /^fs\/mqueue\/\w+$/, kind: 'ipc' },
];

/**
 * The parameters of a sandbox as files.
 * @param pins the namespaces that it has of its own
 * @throws BerthError InvalidArgument for one that would change the host's
 */
export function sysctlsOf(wanted: Readonly<Record<string, string>>, pins: NamespacePins): Sysctl[] {
  return Object.entries(wanted).map(([name, value]) => {
    const file = fileOf(name);
    const owner = file === undefined ? undefined : OWNERS.find(({ names }) => names.test(file));
    if (file === undefined || owner === undefined) {
      throw refusal(
        name,
        'it is no parameter of a namespace, must be one of net.*, kernel.shm*, kernel.msg*, ' +
          'kernel.sem, fs.mqueue.*',
      );
    }
    if (pins[owner.kind] === undefined) throw refusal(name, `the sandbox has the host's ${owner.kind} namespace`);
    if (/[\0\n]/.test(value)) throw refusal(name, 'its value has more than one line');
    return { name, file, value };
  });
}

/** A message about one that the kernel did not take. */
export function sysctlFailure(name: string, code: string | undefined, message: string, cause: unknown): BerthError {
  if (code === 'ENOENT') return refusal(name, 'this kernel has none of this name', cause);
  if (code === 'EINVAL' || code === 'ERANGE') return refusal(name, 'the kernel does not take this value', cause);
  return refusal(name, message, cause);
}

function refusal(name: string, fact: string, cause?: unknown): BerthError {
  return new BerthError('InvalidArgument', `Cannot set sysctl "${name}": ${fact}`, { field: `sysctls.${name}`, cause });
}

/**
 * `net.ipv4.ip_forward` and `net/ipv4/ip_forward` are the same. What comes first, dot or slash, is what separates; the
 * other one stands for what cannot be written in a name: `net.ipv4.conf.eth0/100.forwarding` is of the device eth0.100.
 * @see sysctl.d(5)
 */
function fileOf(name: string): string | undefined {
  const separator = /[./]/.exec(name)?.[0];
  const file = separator === '.' ? name.replace(/[./]/g, (found) => (found === '.' ? '/' : '.')) : name;
  const parts = file.split('/');
  const isPlain = parts.every((part) => /^[\w.:-]+$/.test(part) && part !== '.' && part !== '..');
  return isPlain && parts.length > 1 ? file : undefined;
}
