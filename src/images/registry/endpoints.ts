import { isLoopback, registryItself, serverAddress } from './endpoint.ts';
import type { Endpoint, TlsFiles } from './endpoint.ts';
import { readHostsFolder } from './hosts-file.ts';
import type { RegistryEntry, RegistrySettings } from './settings.ts';

/**
 * Who is asked for the images of a registry, in this order. The daemon's own configuration goes before folders of
 * `hosts.toml` files, and these are read anew each time, so that a change of them needs no new daemon.
 * @throws BerthError InvalidArgument when what is configured cannot be read
 */
export async function endpointsOf(
  registry: string,
  { registries, configPaths }: Pick<RegistrySettings, 'registries' | 'configPaths'>,
): Promise<readonly Endpoint[]> {
  const entry = registries[registry];
  if (entry !== undefined) return fromEntry(registry, entry, registries);
  for (const configPath of configPaths) {
    const found = await readHostsFolder(configPath, registry);
    if (found !== undefined) return found;
  }
  return [registryItself(registry)];
}

/** @throws BerthError InvalidArgument for an address of a mirror that is none, so that it is told when the daemon starts */
export function checkMirrors({ registries }: Pick<RegistrySettings, 'registries'>): void {
  for (const [registry, entry] of Object.entries(registries)) fromEntry(registry, entry, registries);
}

function fromEntry(registry: string, entry: RegistryEntry, registries: RegistrySettings['registries']): Endpoint[] {
  const { plainHttp, mirrors, mirrorsOnly } = entry;
  const itself = registryItself(registry, plainHttp === undefined ? {} : { plainHttp });
  const others = mirrors.map((address): Endpoint => {
    const host = address.replace(/^https?:\/\//, '').replace(/\/.*/, '');
    const own = registries[host]; // what is said of the mirror as a registry holds for it here too
    const isPlain = own?.plainHttp ?? isLoopback(host);
    const { base, namespace } = serverAddress(address, registry, { scheme: isPlain ? 'http' : 'https' });
    return { ...itself, base, namespace, isRegistry: false, tls: tlsOf(own) };
  });
  return mirrorsOnly && others.length > 0 ? others : [...others, { ...itself, tls: tlsOf(entry) }];
}

function tlsOf(entry: RegistryEntry | undefined): TlsFiles {
  const { ca = [], clientCert: cert, clientKey, skipVerify = false } = entry ?? {};
  return { ca, clients: cert === undefined ? [] : [{ cert, key: clientKey ?? cert }], skipVerify };
}
