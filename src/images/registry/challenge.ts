/** How a server wants to be shown who asks. */
export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const PARAMETER = new RegExp(`^\\s*,?\\s*(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}[^\\s,]*))`);
const SCHEME = new RegExp(`^\\s*,?\\s*(${TOKEN})(?=\\s|,|$)`);

/**
 * Reads the headers `WWW-Authenticate`. One may hold several challenges, and its parameters may have commas in them.
 * What cannot be read ends it.
 * @see RFC 9110, 11.6.1; distribution token specification, "Requesting a Token"
 */
export function parseChallenges(headers: readonly string[]): Challenge[] {
  return headers.flatMap((header) => {
    const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
    for (let rest = header; ; ) {
      const parameter = challenges.length === 0 ? null : PARAMETER.exec(rest);
      const found = parameter ?? SCHEME.exec(rest);
      if (found === null) return challenges;
      rest = rest.slice(found[0].length);
      const [, name = '', quoted, plain = ''] = found;
      if (parameter === null) challenges.push({ scheme: name.toLowerCase(), parameters: {} });
      else {
        const last = challenges.at(-1);
        if (last !== undefined) last.parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain;
      }
    }
  });
}
