import { release } from 'node:os';
import * as v from 'valibot';
import { decode } from '../base/decode.ts';
import type { Schema } from '../base/decode.ts';
import { BerthError, messageOf } from '../base/errors.ts';
import type { Outside } from '../linux/outside.ts';
import type { OciSeccomp, OciSyscallRule } from './seccomp.ts';

const LARGEST_FILE_BYTES = 1 << 20;

/** What a profile may make depend on its container and its host. */
export interface SeccompContext {
  readonly capabilities: readonly string[];
  /** As Node names it. */
  readonly architecture: string;
}

/**
 * Reads a profile from a file. It is read when the container is made, so that a bad one is refused there, and again at
 * each start: a profile that was changed meanwhile holds from then on.
 * @throws BerthError InvalidArgument when there is none, or it is none; DeadlineExceeded for a file system that hangs
 */
export async function readSeccompFile(
  outside: Outside,
  file: string,
  context: SeccompContext,
  signal?: AbortSignal,
): Promise<OciSeccomp> {
  const data = await outside.read(file, LARGEST_FILE_BYTES + 1, signal);
  if (data === undefined) throw refusal(file, 'there is no such file');
  if (data.length > LARGEST_FILE_BYTES) throw refusal(file, `it is larger than ${LARGEST_FILE_BYTES} bytes`);
  let profile: unknown;
  try {
    profile = JSON.parse(data.toString('utf8'));
  } catch (error) {
    throw refusal(file, messageOf(error));
  }
  return parseSeccomp(profile, context, `seccomp profile "${file}"`);
}

function refusal(file: string, fact: string): BerthError {
  return new BerthError('InvalidArgument', `Cannot use seccomp profile "${file}": ${fact}`, {
    field: 'security.seccomp',
  });
}

const ACTIONS = ['KILL', 'KILL_PROCESS', 'KILL_THREAD', 'TRAP', 'ERRNO', 'TRACE', 'ALLOW', 'LOG'].map(
  (name) => `SCMP_ACT_${name}`,
);
const OPERATORS = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'].map((name) => `SCMP_CMP_${name}`);

/** Programs that write JSON write null for what there is none of. */
const strings = v.nullish(v.array(v.string()), []);
const action = v.picklist(ACTIONS);
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const maybeWhole = v.pipe(
  v.nullish(whole),
  v.transform((value) => value ?? undefined),
);
/** Docker's and Podman's profiles have conditions, which their engines resolve: a runtime does not know them. */
const condition = v.nullish(v.object({ caps: strings, arches: strings, minKernel: v.optional(v.string()) }), {});

/** @see runtime-spec config-linux.md, Seccomp; moby profiles/seccomp, Seccomp and Syscall */
const schema = v.object({
  defaultAction: action,
  defaultErrnoRet: maybeWhole,
  architectures: strings,
  archMap: v.nullish(v.array(v.object({ architecture: v.string(), subArchitectures: strings })), []),
  flags: strings,
  syscalls: v.nullish(
    v.array(
      v.object({
        name: v.optional(v.string()),
        names: strings,
        action,
        errnoRet: maybeWhole,
        args: v.nullish(
          v.array(v.object({ index: whole, value: whole, valueTwo: maybeWhole, op: v.picklist(OPERATORS) })),
          [],
        ),
        includes: condition,
        excludes: condition,
      }),
    ),
    [],
  ),
});

type Profile = v.InferOutput<typeof schema>;
type Rule = Profile['syscalls'][number];

/** What the two ways to name an architecture are for this one. @see libseccomp, Go's GOARCH */
const ARCHITECTURES: Readonly<Record<string, { readonly go: string; readonly scmp: string }>> = {
  x64: { go: 'amd64', scmp: 'SCMP_ARCH_X86_64' },
  arm64: { go: 'arm64', scmp: 'SCMP_ARCH_AARCH64' },
};

/**
 * The filter that a profile means for this container on this host: its conditions are resolved, and nothing is in it
 * but what a runtime knows.
 * @throws BerthError InvalidArgument
 */
export function parseSeccomp(input: unknown, context: SeccompContext, what: string): OciSeccomp {
  const profile = decode(schema as unknown as Schema<Profile>, input, what);
  const native = ARCHITECTURES[context.architecture];
  const mapped = profile.archMap.find(({ architecture }) => architecture === native?.scmp);
  const architectures = [
    ...profile.architectures,
    ...(mapped === undefined ? [] : [mapped.architecture, ...mapped.subArchitectures]),
  ];
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures.length === 0 ? {} : { architectures }),
    ...(profile.flags.length === 0 ? {} : { flags: profile.flags }),
    syscalls: profile.syscalls.filter((rule) => isMeant(rule, context)).map(ociRule),
  };
}

/** An include has to hold as a whole; of an exclude, any part is enough. */
function isMeant({ includes, excludes }: Rule, { capabilities, architecture }: SeccompContext): boolean {
  const go = ARCHITECTURES[architecture]?.go ?? architecture;
  const { caps, arches, minKernel } = includes;
  const isIncluded =
    caps.every((name) => capabilities.includes(name)) &&
    (arches.length === 0 || arches.includes(go)) &&
    (minKernel === undefined || isKernelSince(minKernel));
  const isExcluded =
    excludes.caps.some((name) => capabilities.includes(name)) ||
    excludes.arches.includes(go) ||
    (excludes.minKernel !== undefined && isKernelSince(excludes.minKernel));
  return isIncluded && !isExcluded;
}

function isKernelSince(version: string): boolean {
  const [wanted = 0, wantedMinor = 0] = version.split('.').map(Number);
  const [own = 0, ownMinor = 0] = release().split('.').map(Number.parseFloat);
  return own > wanted || (own === wanted && ownMinor >= wantedMinor);
}

function ociRule({ name, names, action: what, errnoRet, args }: Rule): OciSyscallRule {
  return {
    names: name === undefined ? names : [name, ...names],
    action: what,
    ...(errnoRet === undefined ? {} : { errnoRet }),
    ...(args.length === 0
      ? {}
      : {
          args: args.map(({ index, value, valueTwo, op }) => ({
            index,
            value,
            ...(valueTwo === undefined ? {} : { valueTwo }),
            op,
          })),
        }),
  };
}
