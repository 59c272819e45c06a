import type { InterfaceUsage, Traffic } from '../../../base/usage.ts';
import { counter, sample } from './metric.ts';
import type { MetricOf } from './metric.ts';

const WORDS = { bytes: 'Bytes', packets: 'Packets', errors: 'Errors while packets were', dropped: 'Dropped packets' };

/** Of a pod's own network. */
export const networkMetrics: readonly MetricOf<readonly InterfaceUsage[]>[] = (
  [
    ['receive', 'received'],
    ['transmit', 'sent'],
  ] as const
).flatMap(([verb, direction]) =>
  (['bytes', 'packets', 'packets_dropped', 'errors'] as const).map((what) => {
    const field: keyof Traffic = what === 'packets_dropped' ? 'dropped' : what;
    return counter<readonly InterfaceUsage[]>(
      {
        name: `container_network_${verb}_${what}_total`,
        help: `${WORDS[field]} ${direction}.`,
        labels: ['interface'],
      },
      (interfaces) => interfaces.flatMap((each) => sample(each[direction][field], each.name)),
    );
  }),
);
