/** Powers of ten that the suffixes stand for; `n`, `u` and `m` are parts of one. */
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const BINARY: Readonly<Record<string, bigint>> = {
  Ki: 1n << 10n,
  Mi: 1n << 20n,
  Gi: 1n << 30n,
  Ti: 1n << 40n,
  Pi: 1n << 50n,
  Ei: 1n << 60n,
};

/**
 * Reads a Kubernetes quantity: `10M`, `1.5Gi`, `2e6`. What is not whole is rounded up.
 * @returns undefined for what is no quantity
 * @see k8s.io/apimachinery pkg/api/resource/quantity.go, Quantity and its Value
 */
export function parseQuantity(text: string): bigint | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/.exec(text);
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent, suffix = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const digits = BigInt(whole + fraction) * (BINARY[suffix] ?? 1n);
  const power = (exponent === undefined ? (DECIMAL[suffix] ?? 0) : Number(exponent)) - fraction.length;
  const value = power >= 0 ? digits * 10n ** BigInt(power) : roundUp(digits, 10n ** BigInt(-power), sign);
  return sign === '-' ? -value : value;
}

/** Up, so that of a negative value the fraction is left out. */
function roundUp(value: bigint, by: bigint, sign: string): bigint {
  const whole = value / by;
  return value % by === 0n || sign === '-' ? whole : whole + 1n;
}
