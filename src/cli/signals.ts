/** Calls `handle` instead of ending the process when one of the signals comes, until disposed. */
export function onSignals<T extends NodeJS.Signals>(signals: readonly T[], handle: (signal: T) => void): Disposable {
  const listeners = signals.map((signal) => ({ signal, listener: (): void => handle(signal) }));
  for (const { signal, listener } of listeners) process.on(signal, listener);
  return {
    [Symbol.dispose]: () => {
      for (const { signal, listener } of listeners) process.off(signal, listener);
    },
  };
}
