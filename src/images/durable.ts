import { open, rename } from 'node:fs/promises';

/** Replaces a file so that a crash at any moment, of the host too, leaves the old one or the new one. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const next = `${path}.new`;
  {
    await using file = await open(next, 'w', 0o600);
    await file.writeFile(text);
    await file.datasync();
  }
  await rename(next, path);
  await syncFolder(dirOf(path));
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}

function dirOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
