/**
 * What the engine needs of the world. Each port has one real driver and one fake, and one contract suite that both
 * must pass.
 */
export type * from './ports/images.ts';
export type * from './ports/namespaces.ts';
export type * from './ports/network.ts';
export type * from './ports/runtime.ts';
export type * from './ports/store.ts';
