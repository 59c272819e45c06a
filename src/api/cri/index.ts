export { createCriServer, loadGrpc } from './server.ts';
export type { CriServer } from './server.ts';
