import type { StartFailure } from '../engine/ports.ts';

/**
 * What crun's words about a program mean as an exit code of a shell: 127 it is not there, 126 it cannot be run, 128
 * something else went wrong.
 * @see crun src/libcrun/container.c and utils.c, the lookup of the executable; its words differ between versions
 */
export function codeOfFailure(message: string): StartFailure['exitCode'] {
  if (/not found in \$PATH|executable file .* not found/.test(message)) return 127;
  if (/[Pp]ermission denied|not a regular file|is not executable/.test(message)) return 126;
  if (!/open executable/.test(message)) return 128;
  return /not permitted/.test(message) ? 126 : 127;
}
