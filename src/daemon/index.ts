export { examineNetwork } from '../network/index.ts';
export { readConfig } from './config.ts';
export { rehearse, serve } from './serve.ts';
