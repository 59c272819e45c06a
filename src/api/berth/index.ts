export { createApiServer } from './server.ts';
export type { ApiParts } from './server.ts';
export type * from './types.ts';
