import type { Failpoints } from '../base/failpoints.ts';
import type { Log } from '../base/log.ts';
import type { Children } from '../linux/children.ts';
import type { BuiltInNetwork } from './builtin/builtin.ts';
import type { NetworkChoice } from './choice.ts';
import type { PluginRunner } from './cni/plugin-runner.ts';
import type { Firewall } from './firewall/firewall.ts';
import type { HostPorts } from './host-ports/claims.ts';
import type { AttachmentRecords } from './records.ts';
import type { Places } from './turns.ts';

/** What the verbs work with. */
export interface NetworkParts {
  readonly log: Log;
  readonly failpoints: Failpoints;
  readonly children: Children;
  readonly runner: PluginRunner;
  readonly choice: NetworkChoice;
  readonly builtIn: BuiltInNetwork;
  readonly records: AttachmentRecords;
  readonly hostPorts: HostPorts;
  readonly firewall: Firewall;
  /** So many sandboxes at once: more bring nothing on few processors, and let each wait longer. */
  readonly places: { readonly attach: Places; readonly detach: Places };
}
