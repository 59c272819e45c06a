export { connect } from './connect.ts';
export type { Client, ConnectOptions } from './connect.ts';
export type { Containers, LogOptions, Waiting } from './containers.ts';
export type { EventOptions } from './daemon.ts';
export type { ExecEvent, ExecSession } from './exec.ts';
export type { LoadOptions, PullOptions } from './images.ts';
export type { Sandboxes } from './sandboxes.ts';
export type {
  ContainerAnswer,
  CreateBody,
  DebtAnswer,
  DoctorAnswer,
  EventLine,
  ExecBody,
  ExecOutput,
  ImageAnswer,
  ImportLine,
  InspectAnswer,
  LogRecord,
  PullLine,
  RegistryAuth,
  SandboxAnswer,
  StopAnswer,
  StopBody,
  StorageAnswer,
  VersionAnswer,
  WhyAnswer,
} from '../api/berth/index.ts';
