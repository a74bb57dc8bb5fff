// A sandbox of its own for the tests: built, started at free ports, and ended with them.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const repository = new URL('../../../../..', import.meta.url).pathname;

/** Starts one; gives the viewer's address, and how to end it. */
export async function startSandbox() {
  const dir = mkdtempSync(join(tmpdir(), 'viewer-e2e-'));
  const program = join(dir, 'sandbox');
  execFileSync('go', ['build', '-o', program, './sandbox'], { cwd: repository, stdio: 'inherit' });
  const up = spawn(program, ['up', '--ports', 'auto', '--json'], { cwd: repository, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => up.once('exit', resolve));
  const stop = async () => {
    up.kill('SIGINT');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  };
  process.once('SIGINT', () => stop().then(() => process.exit(130)));
  const lines = createInterface({ input: up.stdout });
  const base = await new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      const event = JSON.parse(line);
      if (event.event === 'all ready') {
        resolve(event.links.find((l) => l.name.startsWith('Grafana')).url.replace(/\/$/, ''));
      } else if (event.state === 'building' && /%|\d+ of \d+/.test(event.message ?? '')) {
        process.stdout.write(`      ${event.component}: ${event.message}\n`);
      }
    });
    ended.then((code) => reject(new Error(`the sandbox ended with ${code} before it was ready`)));
  });
  return { base, stop };
}

/** Waits until a condition holds. */
export async function until(what, holds, seconds = 180) {
  const deadline = Date.now() + seconds * 1000;
  let last;
  while (Date.now() < deadline) {
    try {
      if (await holds()) {
        return;
      }
    } catch (e) {
      last = e;
    }
    await new Promise((r) => setTimeout(r, 500));
  }
  throw new Error(`${what}: not after ${seconds} s${last ? `: ${last.message}` : ''}`);
}
