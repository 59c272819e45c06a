import { parseSignal } from '../../base/signals.ts';
import type { SignalName } from '../../base/signals.ts';
import { Signal } from '../../gen/cri/api.ts';

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(Signal).flatMap(([name, value]) => (name.startsWith('SIG') ? [[value, name] as const] : [])),
);

/** By number and not by name: SIGIOT and SIGABRT are one signal, with two values here. */
const VALUES: ReadonlyMap<SignalName, Signal> = new Map(
  [...NAMES].toReversed().map(([value, name]) => [parseSignal(name), value as Signal] as const),
);

/** The name of a value of the CRI's list; undefined for RUNTIME_DEFAULT, and for a number that is not in the list. */
export function stopSignalName(value: Signal): SignalName | undefined {
  const name = NAMES.get(value);
  return name === undefined ? undefined : parseSignal(name);
}

export function stopSignalValue(name: SignalName): Signal {
  return VALUES.get(name) ?? Signal.RUNTIME_DEFAULT;
}
