export { readConfig } from './config.ts';
export type { Config } from './config.ts';
export { serve } from './serve.ts';
export { version } from './version.ts';
