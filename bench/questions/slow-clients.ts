import { once } from 'node:events';
import { mkdtempDisposable } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { imageForm } from '../images/image-form.ts';
import { distinct, photograph } from '../images/photographs.ts';
import { HttpClient } from '../measure/http-client.ts';
import { type Answer, answer, type Finding, type Question, type Run } from '../measure/question.ts';
import { serveImages } from '../measure/served-process.ts';
import { inParallel, percentile } from '../measure/statistics.ts';

const UPLOADS = 60;
const AT_ONCE = 4;
const PICTURE = { width: 800, height: 600, bytes: 100_000, seed: 1 };
const TRICKLE_BYTES = 4_096;
const TRICKLE_EVERY_MS = 1_000;
/** By when all of them are there, and have shown their pace. */
const SETTLE_MS = 1_500;
const SUCCESS_MIN = 0.95;
const MORE_MAX_MS = 2_000;
/** Clients beside the uploads: how many, and whether they only connect. */
const CROWDS = [
  { what: 'nobody', count: 0, silent: true },
  { what: '30 trickling uploads', count: 30, silent: false },
  { what: '200 trickling uploads', count: 200, silent: false },
  { what: '5,000 idle connections', count: 5_000, silent: true },
];

export const slowClients: Question = {
  name: 'slow-clients',
  asks: `${UPLOADS} uploads, ${AT_ONCE} at once, beside clients that only hold what they get`,
  maxMs: 5 * 60_000,
  answer: measure,
};

async function measure(run: Run): Promise<Answer> {
  const jpeg = await photograph(PICTURE);
  await using folder = await mkdtempDisposable(`${tmpdir()}/bench-slow-`);
  await using service = await serveImages(folder.path, run);
  const findings: Finding[] = [];
  let alone = 0;
  for (const { what, count, silent } of CROWDS) {
    run.progress(`beside ${what}`);
    using _ = await crowd(new URL(service.url), count, silent);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    using client = new HttpClient(AT_ONCE, run.signal);
    const times: number[] = [];
    await inParallel(UPLOADS, AT_ONCE, async () => {
      const url = `${service.url}/api/v2/images`;
      const answered = await client.ask(url, imageForm(distinct(jpeg))).catch(() => undefined);
      if (answered?.status === 201) times.push(answered.ms);
    });
    const longest = percentile(times, 1);
    alone ||= longest;
    findings.push(
      {
        what: `succeed beside ${what}`,
        unit: '%',
        ours: (times.length / UPLOADS) * 100,
        target: { of: 'ours', atLeast: SUCCESS_MIN * 100 },
      },
      {
        what: 'the slowest of them',
        unit: 'ms',
        ours: longest,
        target: { of: 'ours', atMost: alone + MORE_MAX_MS },
      },
    );
  }
  return {
    findings,
    notes: [`A trickling client sends ${TRICKLE_BYTES} bytes a second of an upload.`],
  };
}

/** Clients that are connected, until disposed. */
async function crowd({ hostname, port }: URL, count: number, silent: boolean): Promise<Disposable> {
  const sockets: Socket[] = [];
  for (let n = 0; n < count; n += 1) {
    const socket = connect({ host: hostname, port: Number(port) }).on('error', () => {});
    sockets.push(socket);
    await once(socket, 'connect');
    if (!silent) socket.write(HEAD, 'latin1');
  }
  const chunk = Buffer.alloc(TRICKLE_BYTES);
  const trickling = setInterval(() => {
    if (!silent) for (const socket of sockets) if (socket.writable) socket.write(chunk);
  }, TRICKLE_EVERY_MS);
  return {
    [Symbol.dispose]() {
      clearInterval(trickling);
      for (const socket of sockets) socket.destroy();
    },
  };
}

const HEAD = [
  'POST /api/v2/images HTTP/1.1',
  'Host: localhost',
  'Content-Type: multipart/form-data; boundary=b',
  'Content-Length: 20000000',
  '',
  '--b',
  'Content-Disposition: form-data; name="image"; filename="a.png"',
  '',
  '\x89PNG\r\n\x1a\n',
].join('\r\n');

if (import.meta.main) await answer([slowClients]);
