import { ioctl } from './abi.ts';

/** What is asked of a terminal through its master. @see ioctl_tty(2) */
const TCGETS = 0x5401;
const TIOCSWINSZ = 0x5414;
/** struct termios: four flag words, the line discipline, then the control characters. @see asm-generic/termbits.h */
const CONTROL_CHARACTERS_OFFSET = 17;
const TERMIOS_BYTES = 60;
const VEOF = 4;

export function setWindowSize(master: number, width: number, height: number): void {
  const size = Buffer.alloc(8);
  size.writeUInt16LE(height, 0);
  size.writeUInt16LE(width, 2);
  ioctl(master, TIOCSWINSZ, size);
}

/** The character that ends the input, usually Ctrl-D; undefined: there is none. */
export function endOfInputCharacter(master: number): number | undefined {
  const settings = Buffer.alloc(TERMIOS_BYTES);
  ioctl(master, TCGETS, settings);
  return settings[CONTROL_CHARACTERS_OFFSET + VEOF] || undefined;
}
