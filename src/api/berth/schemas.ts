import * as v from 'valibot';
import type { Schema } from '../../base/decode.ts';
import type { CreateBody, ExecBody, ExecInput, KillBody, PullBody, StopBody } from './types.ts';

const texts = v.array(v.string());
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const table = v.record(v.string(), v.string());

const mount = v.variant('kind', [
  v.strictObject({
    kind: v.literal('bind'),
    source: v.string(),
    target: v.string(),
    isReadonly: v.exactOptional(v.boolean()),
    propagation: v.exactOptional(v.picklist(['private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared'])),
  }),
  v.strictObject({
    kind: v.literal('tmpfs'),
    target: v.string(),
    sizeBytes: v.exactOptional(count),
    isReadonly: v.exactOptional(v.boolean()),
  }),
]);

/** Everything of a request is named here: what is not would be ignored in silence. */
const createBody = v.strictObject({
  name: v.exactOptional(v.string()),
  image: v.string(),
  entrypoint: v.exactOptional(texts),
  command: v.exactOptional(texts),
  env: v.exactOptional(texts),
  cwd: v.exactOptional(v.string()),
  user: v.exactOptional(v.string()),
  hasTerminal: v.exactOptional(v.boolean()),
  hasStdin: v.exactOptional(v.boolean()),
  mounts: v.exactOptional(v.array(mount)),
  resources: v.exactOptional(
    v.strictObject({
      memoryBytes: v.exactOptional(count),
      memorySwapBytes: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(-1))),
      cpus: v.exactOptional(v.pipe(v.number(), v.minValue(0.01))),
      cpuShares: v.exactOptional(count),
      cpusetCpus: v.exactOptional(v.string()),
      pids: v.exactOptional(count),
    }),
  ),
  security: v.exactOptional(
    v.strictObject({
      isPrivileged: v.exactOptional(v.boolean()),
      addCapabilities: v.exactOptional(texts),
      dropCapabilities: v.exactOptional(texts),
      isReadonlyRootfs: v.exactOptional(v.boolean()),
      noNewPrivileges: v.exactOptional(v.boolean()),
      seccomp: v.exactOptional(v.picklist(['default', 'unconfined'])),
    }),
  ),
  rlimits: v.exactOptional(v.array(v.strictObject({ name: v.string(), soft: count, hard: count }))),
  oomScoreAdj: v.exactOptional(v.number()),
  shmSizeBytes: v.exactOptional(count),
  pid: v.exactOptional(v.picklist(['container', 'host'])),
  sandbox: v.exactOptional(
    v.strictObject({ network: v.exactOptional(v.picklist(['none', 'host'])), hostname: v.exactOptional(v.string()) }),
  ),
  labels: v.exactOptional(table),
  annotations: v.exactOptional(table),
  stopSignal: v.exactOptional(v.string()),
  stopGraceMs: v.exactOptional(count),
  handler: v.exactOptional(v.string()),
});

const stopBody = v.strictObject({
  graceMs: v.exactOptional(v.union([count, v.literal('never')])),
  signal: v.exactOptional(v.string()),
  reason: v.exactOptional(v.string()),
});

const killBody = v.strictObject({ signal: v.exactOptional(v.string()), reason: v.exactOptional(v.string()) });

const execBody = v.strictObject({
  args: texts,
  env: v.exactOptional(texts),
  cwd: v.exactOptional(v.string()),
  user: v.exactOptional(v.string()),
  hasStdin: v.exactOptional(v.boolean()),
  timeoutMs: v.exactOptional(count),
});

const execInput = v.variant('kind', [
  v.strictObject({ kind: v.literal('input'), data: v.string() }),
  v.strictObject({ kind: v.literal('end') }),
  v.strictObject({ kind: v.literal('signal'), signal: v.string() }),
]);

const pullBody = v.strictObject({
  name: v.string(),
  auth: v.exactOptional(
    v.variant('kind', [
      v.strictObject({ kind: v.literal('basic'), username: v.string(), password: v.string() }),
      v.strictObject({ kind: v.literal('identity-token'), token: v.string() }),
      v.strictObject({ kind: v.literal('registry-token'), token: v.string() }),
    ]),
  ),
});

/** What a schema accepts is what doors and clients share as a type; the compiler compares them here. */
export const bodies: {
  readonly create: Schema<CreateBody>;
  readonly stop: Schema<StopBody>;
  readonly kill: Schema<KillBody>;
  readonly exec: Schema<ExecBody>;
  readonly execInput: Schema<ExecInput>;
  readonly pull: Schema<PullBody>;
} = { create: createBody, stop: stopBody, kill: killBody, exec: execBody, execInput, pull: pullBody };
