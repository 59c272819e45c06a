import type { JsonObject, NetworkList, PluginConfig } from './config.ts';
import { PluginError, meansGone } from './plugin-error.ts';
import type { Command, PluginRunner } from './plugin-runner.ts';
import { readResult } from './result.ts';
import { isAtLeast } from './versions.ts';

/** What the plugins of a network are told about one sandbox, the same at DEL as at ADD. */
export interface Attachment {
  readonly network: NetworkList;
  readonly containerId: string;
  readonly ifName: string;
  readonly args: readonly (readonly [key: string, value: string])[];
  /** By the name of the capability; a plugin gets those that it declares. */
  readonly capabilityArgs: JsonObject;
}

/**
 * Calls the plugins in order, each with the result of the one before it. The first failure ends it; what was made by
 * then is for `removeAttachment`.
 * @see containernetworking/cni libcni/api.go, AddNetworkList
 */
export async function addAttachment(
  runner: PluginRunner,
  attachment: Attachment,
  netns: string,
  signal: AbortSignal,
): Promise<JsonObject> {
  const { cniVersion, plugins } = attachment.network;
  let result: JsonObject | undefined;
  for (const plugin of plugins) {
    const printed = await call(runner, 'ADD', attachment, plugin, netns, result, signal);
    result = readResult(plugin.type, printed, cniVersion);
  }
  return result ?? { cniVersion };
}

/**
 * Calls the plugins in reverse, each with the final result of the ADD where the version knows that. One that says that
 * there is nothing (any more) has done its part; any other failure ends it, because the plugins before it may need what
 * is left: it has to be done again.
 * @param netns empty when the namespace is gone
 * @see containernetworking/cni libcni/api.go, DelNetworkList
 */
export async function removeAttachment(
  runner: PluginRunner,
  attachment: Attachment,
  netns: string,
  result: JsonObject | undefined,
): Promise<void> {
  const { cniVersion, plugins } = attachment.network;
  const previous = isAtLeast(cniVersion, '0.4.0') ? result : undefined;
  for (const plugin of plugins.toReversed()) {
    try {
      await call(runner, 'DEL', attachment, plugin, netns, previous);
    } catch (error) {
      if (!meansGone(error)) throw error;
    }
  }
}

/**
 * Asks the plugins whether all is as they made it.
 * @returns false when this network is not to be checked, by its version or its own wish
 * @throws PluginError what is wrong
 */
export async function checkAttachment(
  runner: PluginRunner,
  attachment: Attachment,
  netns: string,
  result: JsonObject | undefined,
): Promise<boolean> {
  const { cniVersion, isCheckDisabled, plugins } = attachment.network;
  if (isCheckDisabled || !isAtLeast(cniVersion, '0.4.0')) return false;
  for (const plugin of plugins) await call(runner, 'CHECK', attachment, plugin, netns, result);
  return true;
}

/**
 * Lets the plugins release whatever they hold for attachments that are not listed. Every plugin is asked, whatever the
 * others say.
 * @throws PluginError the first failure
 * @see CNI SPEC.md 1.1, "GC: Clean up any stale resources"
 */
export async function collectGarbage(
  runner: PluginRunner,
  network: NetworkList,
  valid: readonly { readonly containerID: string; readonly ifname: string }[],
): Promise<void> {
  if (network.isGcDisabled || !isAtLeast(network.cniVersion, '1.1.0')) return;
  const failures: unknown[] = [];
  for (const plugin of network.plugins) {
    const config = { ...configOf(network, plugin), 'cni.dev/valid-attachments': valid };
    try {
      await runner.run({ command: 'GC', type: plugin.type, config });
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/**
 * @returns why the network takes no sandboxes now, as the first plugin that says so puts it
 * @see CNI SPEC.md 1.1, "STATUS: Check plugin status"
 */
export async function askStatus(runner: PluginRunner, network: NetworkList): Promise<string | undefined> {
  if (!isAtLeast(network.cniVersion, '1.1.0')) return undefined;
  for (const plugin of network.plugins) {
    try {
      await runner.run({ command: 'STATUS', type: plugin.type, config: configOf(network, plugin) });
    } catch (error) {
      if (!(error instanceof PluginError)) throw error;
      return `network plugin "${plugin.type}" says: ${error.message}`;
    }
  }
  return undefined;
}

function call(
  runner: PluginRunner,
  command: Command,
  attachment: Attachment,
  plugin: PluginConfig,
  netns: string,
  previous: JsonObject | undefined,
  signal?: AbortSignal,
): Promise<string> {
  const { containerId, ifName, args } = attachment;
  const runtimeConfig = runtimeConfigOf(plugin, attachment.capabilityArgs);
  const config = {
    ...configOf(attachment.network, plugin),
    ...(previous === undefined ? {} : { prevResult: previous }),
    ...(Object.keys(runtimeConfig).length === 0 ? {} : { runtimeConfig }),
  };
  return runner.run({ command, type: plugin.type, config, attachment: { containerId, netns, ifName, args } }, signal);
}

/** The plugin's own configuration, with the network's name and version in place of its own. */
function configOf({ name, cniVersion }: NetworkList, { config }: PluginConfig): JsonObject {
  return { ...config, name, cniVersion };
}

function runtimeConfigOf({ capabilities }: PluginConfig, args: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(args).filter(([name]) => capabilities.has(name)));
}
