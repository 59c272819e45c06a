import { mkdirSync, writeFileSync } from 'node:fs';
import { IMAGE_HOSTS } from '../../test/support/conformance-images.ts';
import { writeMirrors } from '../../test/support/registry.ts';

/** What a runtime is given for a run. All of it is below one folder, which goes away afterwards. */
export interface Lab {
  readonly folder: string;
  /** Below which the runtime makes its cgroups, where it can be told. */
  readonly cgroup: string;
  /** hosts.toml folders that send every pull to the registry with the test images. */
  readonly mirrors: string;
  /** One CNI network, as a node has it. */
  readonly networks: string;
  /** Instead of /tmp. */
  readonly temporary: string;
}

/** A runtime that serves the CRI. Disposing ends it. */
export interface RuntimeUnderTest extends AsyncDisposable {
  /** Of its CRI door. */
  readonly socket: string;
  readonly nriSocket?: string;
  readonly log: string;
}

const CONFLIST = {
  cniVersion: '1.0.0',
  name: 'conformance',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.200.0.0/16' }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
};

/** @param registry `HOST:PORT` */
export function makeLab(folder: string, cgroup: string, registry: string): Lab {
  const lab = {
    folder,
    cgroup,
    mirrors: `${folder}/certs.d`,
    networks: `${folder}/net.d`,
    temporary: `${folder}/tmp`,
  };
  for (const path of [lab.networks, lab.temporary]) mkdirSync(path);
  writeFileSync(`${lab.networks}/10-conformance.conflist`, JSON.stringify(CONFLIST));
  writeMirrors(lab.mirrors, registry, IMAGE_HOSTS);
  return lab;
}
