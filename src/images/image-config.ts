import type { ImageConfig } from '../engine/ports.ts';
import type { ConfigDocument } from './documents.ts';

/** What an image says of its containers. @see OCI image-spec config.md */
export function imageConfig({ config }: ConfigDocument): ImageConfig {
  return {
    entrypoint: config.Entrypoint,
    command: config.Cmd,
    env: config.Env,
    cwd: config.WorkingDir,
    user: config.User,
    stopSignal: config.StopSignal === '' ? undefined : config.StopSignal,
    labels: config.Labels,
  };
}

/** Unix ms. */
export function createdAt({ created }: ConfigDocument): number | undefined {
  const time = Date.parse(created);
  return Number.isNaN(time) ? undefined : time;
}
