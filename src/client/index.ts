export { connect } from './connect.ts';
export type { Client, ConnectOptions } from './connect.ts';
export type { Containers, LogOptions, Waiting } from './containers.ts';
export type { EventOptions } from './daemon.ts';
export type { ExecEvent, ExecSession } from './exec.ts';
export type { LoadOptions } from './images.ts';
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
  SandboxAnswer,
  StopAnswer,
  StopBody,
  VersionAnswer,
  WhyAnswer,
} from '../api/berth/index.ts';
