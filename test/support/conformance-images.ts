import { hostPlatform } from '../../src/images/platform.ts';
import { Registry } from './registry.ts';

/** Where scripts/test-images.sh leaves them, as the storage of a registry. */
const CACHE = '/var/cache/berth/test';

export interface ImageRecipe {
  /** In full, as the suite asks for them. The registry serves a path for every host. */
  readonly names: readonly [string, ...string[]];
  /** Names of layers in scripts/test-images/layers.ts; another name is a layer with one small file of that name. */
  readonly layers: readonly string[];
  /** The part of the config that is about containers. */
  readonly config: object;
}

const K8S = 'registry.k8s.io';
const E2E = `${K8S}/e2e-test-images`;
const CRI_TOOLS = 'gcr.io/k8s-staging-cri-tools';
const HUB_BUSYBOX = 'docker/library/busybox';

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SHELL = { Env: [PATH], Cmd: ['sh'], WorkingDir: '/' };
const NGINX = { Env: [PATH], Cmd: ['nginx', '-g', 'daemon off;'], StopSignal: 'SIGTERM' };
const HTTPD = { Env: [PATH], Cmd: ['sh', '-c', 'echo httpd; exec httpd -f -p 80 -h /www'] };
const PAUSE = { Entrypoint: ['/catatonit', '-P'], User: '65535:65535' };
const PORT_80 = { ExposedPorts: { '80/tcp': {} } };

/**
 * Every image that the CRI's conformance suite pulls, under the suite's own names, with what its specs need of it. Where
 * specs want different images, the config or a small layer differs.
 * @see cri-tools pkg/framework/test_context.go and pkg/validate/*.go
 */
export const CONFORMANCE_IMAGES = {
  busybox: { names: [`${E2E}/busybox:1.29-2`], layers: ['base'], config: SHELL },
  nginx: { names: [`${E2E}/nginx:1.14-2`], layers: ['base', 'nginx'], config: { ...NGINX, ...PORT_80 } },
  httpd: { names: [`${E2E}/httpd:2.4.39-4`], layers: ['base', 'httpd'], config: { ...HTTPD, ...PORT_80 } },
  /** Prints its effective uid, by a program that is root's and setuid. */
  noNewPrivs: {
    names: [`${E2E}/nonewprivs:1.3`],
    layers: ['base', 'setuid'],
    config: { Entrypoint: ['/bin/sh', '-c', 'echo "Effective uid: $(/setuid/id -u)"'] },
  },
  /** The same image at two hosts. */
  pause: { names: [`${K8S}/pause:3.9`, 'k8s.gcr.io/pause:3.9'], layers: ['pause'], config: PAUSE },
  /** Another image than that of the suite, which counts the names of its own: for runtimes whose sandboxes need one. */
  sandboxPause: {
    names: [`${K8S}/pause:3.10`, `${K8S}/pause:3.10.1`, `${K8S}/pause:3.10.2`],
    layers: ['pause'],
    config: { ...PAUSE, Labels: { for: 'sandboxes' } },
  },
  latest: { names: [`${CRI_TOOLS}/test-image-latest:latest`], layers: ['base', 'latest'], config: SHELL },
  tag: { names: [`${CRI_TOOLS}/test-image-tag:test`], layers: ['base', 'tag'], config: SHELL },
  allReferences: { names: [`${CRI_TOOLS}/test-image-tag:all`], layers: ['base', 'all'], config: SHELL },
  /** The suite asks for a digest that only the image of its own makers has. */
  digest: { names: [`${CRI_TOOLS}/test-image-digest:latest`], layers: ['base', 'digest'], config: SHELL },
  one: { names: [`${CRI_TOOLS}/test-image-1:latest`], layers: ['base', 'one'], config: SHELL },
  two: { names: [`${CRI_TOOLS}/test-image-2:latest`], layers: ['base', 'two'], config: SHELL },
  three: { names: [`${CRI_TOOLS}/test-image-3:latest`], layers: ['base', 'three'], config: SHELL },
  threeTags: {
    names: [`${CRI_TOOLS}/test-image-tags:1`, `${CRI_TOOLS}/test-image-tags:2`, `${CRI_TOOLS}/test-image-tags:3`],
    layers: ['base', 'three-tags'],
    config: SHELL,
  },
  userId: {
    names: [`${CRI_TOOLS}/test-image-user-uid:latest`],
    layers: ['base'],
    config: { ...SHELL, User: '1002' },
  },
  userName: {
    names: [`${CRI_TOOLS}/test-image-user-username:latest`],
    layers: ['base'],
    config: { ...SHELL, User: 'www-data' },
  },
  userIdAndGroup: {
    names: [`${CRI_TOOLS}/test-image-user-uid-group:latest`],
    layers: ['base'],
    config: { ...SHELL, User: '1003:1004' },
  },
  userNameAndGroup: {
    names: [`${CRI_TOOLS}/test-image-user-username-group:latest`],
    layers: ['base'],
    config: { ...SHELL, User: 'www-data:1004' },
  },
  /** Its user is in a group that only the image's own /etc/group knows. */
  predefinedGroup: {
    names: [`${CRI_TOOLS}/test-image-predefined-group:latest`],
    layers: ['base', 'predefined-group'],
    config: { ...SHELL, User: '1000' },
  },
  hostNetworkNginx: {
    names: [`${CRI_TOOLS}/hostnet-nginx-${hostPlatform.architecture}:latest`],
    layers: ['base', 'nginx', 'nginx-12003'],
    config: { ...NGINX, ExposedPorts: { '12003/tcp': {} } },
  },
  /** Of the suite's benchmarks. */
  benchmarkBusybox: {
    names: [
      `public.ecr.aws/${HUB_BUSYBOX}:1.35.0-glibc`,
      ...['1-uclibc', '1', '1-glibc', '1-musl'].map((tag) => `public.ecr.aws/${HUB_BUSYBOX}:${tag}`),
    ],
    layers: ['base'],
    config: { ...SHELL, Labels: { for: 'benchmarks' } },
  },
  /** Of the Docker door's tests: the names that everybody uses there. */
  hubBusybox: {
    names: ['docker.io/library/busybox:latest', 'docker.io/library/busybox:1.35'],
    layers: ['base'],
    config: { ...SHELL, Labels: { from: 'docker.io' } },
  },
  hubNginx: {
    names: ['docker.io/library/nginx:latest'],
    layers: ['base', 'nginx'],
    config: { ...NGINX, ...PORT_80, Labels: { from: 'docker.io' } },
  },
} as const satisfies Readonly<Record<string, ImageRecipe>>;

/** Images to measure with: 150 MB of a big application to pull, and the 50,000 small files of an application's modules. */
export const BENCH_IMAGES = {
  large: {
    names: ['docker.io/berth/bench-large:1'],
    layers: ['base', 'bench-1', 'bench-2', 'bench-3', 'bench-4'],
    config: SHELL,
  },
  manyFiles: { names: ['docker.io/berth/bench-many-files:1'], layers: ['base', 'bench-many-files'], config: SHELL },
} as const satisfies Readonly<Record<string, ImageRecipe>>;

/** The hosts in the names of all these images: a runtime's mirrors must be set for each. */
export const IMAGE_HOSTS: readonly string[] = [
  'docker.io',
  'gcr.io',
  'k8s.gcr.io',
  'public.ecr.aws',
  'registry.k8s.io',
];

/** A registry with all of the suite's images, or with those to measure with. It takes no push. */
export function serveTestImages(kind: 'images' | 'bench-images' = 'images'): Promise<Registry> {
  return Registry.start({ storage: `${CACHE}/${kind}`, isReadOnly: true });
}
