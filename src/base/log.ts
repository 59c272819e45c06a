/** Facts beside a constant message. No payloads, environments or tokens. */
type LogFields = Readonly<Record<string, unknown>>;

/**
 * Where decisions are told, once each, at the place where they are taken. `info`: a person would want it in the
 * journal; `warn`: odd, and handled; `error`: somebody must act; `debug`: off by default.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
