/** What the engine can be told; the daemon's configuration has a key for each. Times in ms. */
export interface EngineSettings {
  /** Between the stop signal and SIGKILL, when nobody says otherwise. */
  readonly stopGraceMs: number;
  /** How long a stop request waits after SIGKILL before it answers with a diagnosis. */
  readonly killBudgetMs: number;
  /** What to do when PID 1 provably ignores its stop signal: let the grace pass, or go on at once. */
  readonly ignoredSignal: 'wait' | 'escalate';
  /** What becomes of a run whose monitor died: it is ended, or runs on without a log. */
  readonly lostMonitor: 'stop' | 'keep';
  /** The whole of a start. */
  readonly startDeadlineMs: number;
  /** The runtime handler of a request that names none. */
  readonly defaultHandler: string;
  /** One folder per container is made in it. */
  readonly logFolder: string;
  /** The cgroup below which containers have theirs, unless their sandbox says otherwise. */
  readonly cgroupParent: string;
}

export const defaultSettings: Omit<EngineSettings, 'logFolder'> = {
  stopGraceMs: 10_000,
  killBudgetMs: 10_000,
  ignoredSignal: 'wait',
  lostMonitor: 'stop',
  startDeadlineMs: 60_000,
  defaultHandler: 'crun',
  cgroupParent: '/berth',
};
