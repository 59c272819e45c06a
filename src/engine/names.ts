/** A pod's whole identity may be in it: name, namespace, uid. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,1023}$/;
/** @see hostname(7) */
const HOSTNAME = /^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?$/;

/** What containers and sandboxes may be called. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

export function isHostname(text: string): boolean {
  return HOSTNAME.test(text);
}
