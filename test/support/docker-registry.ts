import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pushedImage } from './images.ts';
import type { TestImage } from './images.ts';

/** Debian's registry, on a port of its own on loopback. */
export interface DockerRegistry extends AsyncDisposable {
  /** As in names of images. */
  readonly host: string;
  readonly folder: string;
  /** Returns the digest of the manifest. */
  push(repository: string, tag: string, image: TestImage, options?: PushOptions): Promise<string>;
}

interface PushOptions {
  readonly form?: 'oci' | 'docker';
  readonly headers?: Readonly<Record<string, string>>;
}

/** @param more of its configuration, as JSON, which YAML is a kind of */
export async function startDockerRegistry(more: (folder: string) => object = () => ({})): Promise<DockerRegistry> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-registry-'));
  const config = {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: `${folder}/data` }, delete: { enabled: true } },
    ...more(folder),
  };
  const { http } = config as { readonly http?: object };
  writeFileSync(`${folder}/config.yml`, JSON.stringify({ ...config, http: { addr: '127.0.0.1:0', ...http } }));
  const child = spawn('docker-registry', ['serve', `${folder}/config.yml`], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], OTEL_TRACES_EXPORTER: 'none' },
  });
  const lines = createInterface({ input: child.stderr });
  let said = '';
  let port: string | undefined;
  for await (const line of lines) {
    said += `${line}\n`;
    port = /listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port !== undefined) break;
  }
  if (port === undefined) throw new Error(`docker-registry does not start: ${said}`);
  child.stderr.resume();
  const host = `127.0.0.1:${port}`;
  return {
    host,
    folder,
    push: (repository, tag, image, options) => push(`http://${host}`, repository, tag, image, options),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      rmSync(folder, { recursive: true });
    },
  };
}

async function push(
  origin: string,
  repository: string,
  tag: string,
  image: TestImage,
  { form = 'oci', headers = {} }: PushOptions = {},
): Promise<string> {
  const { manifest, mediaType, blobs } = pushedImage(image, form);
  for (const [digest, content] of blobs) {
    const begun = await send(`${origin}/v2/${repository}/blobs/uploads/`, { method: 'POST', headers });
    const target = new URL(begun.headers.get('location') ?? '', origin);
    target.searchParams.set('digest', digest);
    await send(target.href, { method: 'PUT', body: new Uint8Array(content), headers });
  }
  const done = await send(`${origin}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    body: new Uint8Array(manifest),
    headers: { ...headers, 'content-type': mediaType },
  });
  return done.headers.get('docker-content-digest') ?? '';
}

async function send(url: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(url, init);
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`${init.method} ${url}: ${answer.status}`);
  return answer;
}
