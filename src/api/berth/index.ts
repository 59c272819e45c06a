export { createApiServer } from './server.ts';
export type * from './types.ts';
