/** An interface as data: `src/gen/cri/cri-v1.json` is one. Everything that the wire needs, and no words about it. */
export interface Interface {
  /** Where the names and numbers were read. */
  readonly source: string;
  readonly syntax: string;
  readonly package: string;
  readonly services: readonly Service[];
  readonly messages: readonly Message[];
  readonly enums: readonly Enumeration[];
}

interface Service {
  readonly name: string;
  readonly methods: readonly {
    readonly name: string;
    readonly request: string;
    readonly response: string;
    readonly clientStreaming?: boolean;
    readonly serverStreaming?: boolean;
    readonly deprecated?: boolean;
  }[];
}

interface Message {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly messages?: readonly Message[];
  readonly enums?: readonly Enumeration[];
  readonly deprecated?: boolean;
  /** First and last number of each range. */
  readonly reserved?: readonly (readonly [number, number])[];
  readonly reservedNames?: readonly string[];
}

interface Field {
  readonly name: string;
  readonly number: number;
  readonly type?: string;
  readonly map?: { readonly key: string; readonly value: string };
  readonly oneof?: string;
  readonly repeated?: boolean;
  readonly optional?: boolean;
  readonly deprecated?: boolean;
  readonly redact?: boolean;
}

interface Enumeration {
  readonly name: string;
  readonly values: readonly { readonly name: string; readonly number: number; readonly deprecated?: boolean }[];
  readonly allowAlias?: boolean;
}

/** Writes an interface in the language of protocol buffers. */
export function toProto(facts: Interface): string {
  const lines = [
    `syntax = "${facts.syntax}";`,
    `package ${facts.package};`,
    ...facts.services.flatMap(serviceLines),
    ...facts.messages.flatMap(messageLines),
    ...facts.enums.flatMap(enumerationLines),
  ];
  return `${lines.join('\n')}\n`;
}

function serviceLines({ name, methods }: Service): string[] {
  const lines = methods.map((method) => {
    const request = `${method.clientStreaming === true ? 'stream ' : ''}${method.request}`;
    const response = `${method.serverStreaming === true ? 'stream ' : ''}${method.response}`;
    const end = method.deprecated === true ? ' { option deprecated = true; }' : ';';
    return `rpc ${method.name}(${request}) returns (${response})${end}`;
  });
  return block(`service ${name}`, lines);
}

function messageLines(message: Message): string[] {
  return block(`message ${message.name}`, [
    ...(message.deprecated === true ? ['option deprecated = true;'] : []),
    ...(message.reserved ?? []).map(([first, last]) => `reserved ${first === last ? first : `${first} to ${last}`};`),
    ...(message.reservedNames === undefined ? [] : [`reserved ${message.reservedNames.map(quoted).join(', ')};`]),
    ...(message.enums ?? []).flatMap(enumerationLines),
    ...(message.messages ?? []).flatMap(messageLines),
    ...fieldLines(message.fields),
  ]);
}

/** Fields of one oneof stand together. */
function fieldLines(fields: readonly Field[]): string[] {
  const oneofs = new Set(fields.flatMap(({ oneof }) => (oneof === undefined ? [] : [oneof])));
  return [
    ...fields.filter(({ oneof }) => oneof === undefined).map(fieldLine),
    ...[...oneofs].flatMap((name) =>
      block(`oneof ${name}`, fields.filter(({ oneof }) => oneof === name).map(fieldLine)),
    ),
  ];
}

function fieldLine(field: Field): string {
  const label = field.repeated === true ? 'repeated ' : field.optional === true ? 'optional ' : '';
  const type = field.map === undefined ? field.type : `map<${field.map.key}, ${field.map.value}>`;
  const options = [
    ...(field.deprecated === true ? ['deprecated = true'] : []),
    ...(field.redact === true ? ['debug_redact = true'] : []),
  ];
  return `${label}${type} ${field.name} = ${field.number}${options.length === 0 ? '' : ` [${options.join(', ')}]`};`;
}

function enumerationLines({ name, values, allowAlias }: Enumeration): string[] {
  return block(`enum ${name}`, [
    ...(allowAlias === true ? ['option allow_alias = true;'] : []),
    ...values.map(
      (value) => `${value.name} = ${value.number}${value.deprecated === true ? ' [deprecated = true]' : ''};`,
    ),
  ]);
}

function block(head: string, lines: readonly string[]): string[] {
  return [`${head} {`, ...lines.map((line) => `  ${line}`), '}'];
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
