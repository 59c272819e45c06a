/**
 * Which process is meant. A number alone is not enough: numbers are used again, and after a reboot they mean other
 * processes altogether.
 */
export interface ProcessIdentity {
  readonly bootId: string;
  readonly pid: number;
  /** Clock ticks from boot to the process's start: field 22 of /proc/PID/stat. */
  readonly startTime: number;
}
