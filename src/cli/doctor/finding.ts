/** One thing that was examined. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'error';
  readonly text: string;
  /** What to do about it. */
  readonly advice?: string;
}

export function ok(text: string): Finding {
  return { level: 'ok', text };
}

export function warning(text: string, advice: string): Finding {
  return { level: 'warning', text, advice };
}

export function error(text: string, advice: string): Finding {
  return { level: 'error', text, advice };
}
