import type { Mailbox } from '../base/mailbox.ts';
import type { Log } from '../base/log.ts';
import type { Slots } from '../base/slots.ts';
import type { Children } from '../linux/children.ts';
import type { Blobs } from './blobs.ts';
import type { UnpackLimits } from './budget.ts';
import type { Catalog } from './catalog.ts';
import type { Downloads } from './downloads.ts';
import type { Holds } from './holds.ts';
import type { Layers } from './layers.ts';
import type { RegistrySettings } from './registry/settings.ts';
import type { Trust } from './registry/trust.ts';
import type { SnapshotUsages } from './snapshot-usage.ts';
import type { Snapshots } from './snapshots.ts';
import type { TemporaryMounts } from './temporary-mounts.ts';

/** What the verbs of images work with. */
export interface ImageParts {
  readonly children: Children;
  readonly log: Log;
  readonly limits: UnpackLimits;
  readonly folders: ImageFolders;
  /** Whatever begins or ends the use of an image, blob or layer passes here, so that none goes while it is taken up. */
  readonly mailbox: Mailbox;
  readonly holds: Holds;
  readonly blobs: Blobs;
  readonly catalog: Catalog;
  readonly layers: Layers;
  readonly snapshots: Snapshots;
  readonly usages: SnapshotUsages;
  readonly temporary: TemporaryMounts;
  readonly registries: RegistrySettings;
  readonly trust: Trust;
  readonly downloads: Downloads;
  /** Layers that pulls unpack at a time: it is work for the processors. */
  readonly unpacking: Slots;
}

/** All on one file system. */
export interface ImageFolders {
  /** The OCI layout. */
  readonly layout: string;
  readonly blobs: string;
  /** Archives and blobs that are being received. */
  readonly received: string;
  readonly layers: string;
  readonly snapshots: string;
  /** Layers and snapshots on their way in or out. */
  readonly staging: string;
}

/** @param root `/var/lib/berth` */
export function imageFolders(root: string): ImageFolders {
  return {
    layout: `${root}/images`,
    blobs: `${root}/images/blobs/sha256`,
    received: `${root}/images/staging`,
    layers: `${root}/snapshots/l`, // as short as can be: the names of layers are relative to it
    snapshots: `${root}/snapshots/c`,
    staging: `${root}/snapshots/staging`,
  };
}
