import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Image } from '../../src/contract/image.ts';
import { serveFiles } from '../floors/nginx.ts';
import { imageForm } from '../images/image-form.ts';
import { photograph } from '../images/photographs.ts';
import { HttpClient } from '../measure/http-client.ts';
import { type Answer, answer, type Finding, type Question, type Run } from '../measure/question.ts';
import { NODE, ROOT, type Served, serve, serveImages } from '../measure/served-process.ts';
import { alternate, median, medianRatio } from '../measure/statistics.ts';
import { installed, type Load, load } from '../measure/wrk.ts';

const ROUNDS = 5;
const ROUND_SECONDS = 3;
/** Until the code that serves is compiled for what it meets. */
const WARM_UP_ROUNDS = 2;

const SMALL = { width: 800, height: 600, bytes: 100_000, seed: 1 };
const LARGE = { width: 4000, height: 3000, bytes: 5_000_000, seed: 2 };

export const delivery: Question = {
  name: 'delivery',
  asks: 'images in memory and 304 answers, 32 connections, beside nginx with sendfile',
  maxMs: 6 * 60_000,
  answer: measure,
};

async function measure(run: Run): Promise<Answer> {
  const { signal, progress } = run;
  for (const program of ['nginx', 'wrk']) {
    if (await installed(program)) continue;
    const note = `Skipped: ${program} is not installed (Debian: apt install nginx-light wrk).`;
    return { findings: [], notes: [note] };
  }
  progress('making photographs');
  await using folder = await mkdtempDisposable(join(tmpdir(), 'bench-delivery-'));
  const photographs = {
    'small.jpg': await photograph(SMALL),
    'large.jpg': await photograph(LARGE),
  };
  for (const [name, jpeg] of Object.entries(photographs)) {
    await writeFile(join(folder.path, name), jpeg);
  }
  await using nginx = await serveFiles(folder.path, signal);
  const program = `${ROOT}bench/floors/memory-server.ts`;
  await using bare = await serve(NODE, [program, folder.path], signal);
  await using service = await serveImages(join(folder.path, 'service'), run);

  const offer = async (name: keyof typeof photographs): Promise<Offered> => {
    using client = new HttpClient(1, signal);
    const form = imageForm([photographs[name]]);
    const { body } = await client.require(201, `${service.url}/api/v2/images`, form);
    const { content } = JSON.parse(body.toString()) as Image;
    return {
      ours: await described(service, content.url, signal),
      nginx: await described(nginx, `/${name}`, signal),
      bare: await described(bare, `/${name}`, signal),
    };
  };
  const small = await offer('small.jpg');
  const large = await offer('large.jpg');
  const compare = async (what: string, offered: Offered, unchanged = false): Promise<Compared> => {
    const subject = (whose: keyof Offered) => async (round: number) => {
      progress(`${what}, round ${round} of ${ROUNDS}`);
      const { server, path, etag } = offered[whose];
      const header = unchanged ? `If-None-Match: ${etag}` : undefined;
      const loaded = await load(server, [path], header, ROUND_SECONDS, signal);
      if (loaded.failed > 0) throw new Error(`${server.url}${path}: ${loaded.failed} failed`);
      return loaded;
    };
    const [ours, theirs, floor] = [subject('ours'), subject('nginx'), subject('bare')];
    return alternate(WARM_UP_ROUNDS + ROUNDS, { ours, nginx: theirs, bare: floor });
  };

  const hot = await compare('100 KB', small);
  const heavy = await compare('5 MB', large);
  const unchanged = await compare('304', small, true);
  return {
    findings: [
      cpu('100 KB', hot, 'nginx', 1.8),
      cpu('100 KB', hot, 'bare'),
      rate('100 KB', hot),
      cpu('5 MB', heavy, 'nginx'),
      rate('5 MB', heavy, 1),
      cpu('304', unchanged, 'nginx', 3),
      cpu('304', unchanged, 'bare'),
      rate('304', unchanged),
    ],
    notes: [
      `Medians of ${ROUNDS} alternating rounds of ${ROUND_SECONDS} s; nginx has one worker.`,
      'Bare is node:http that sends the same from memory, without a framework, a log or a metric.',
    ],
  };
}

type Described = { server: Served; path: string; etag: string };
type Servers = 'ours' | 'nginx' | 'bare';
type Peer = Exclude<Servers, 'ours'>;
type Offered = Record<Servers, Described>;
type Compared = Record<Servers, Load[]>;

/** Asks once, so that it is known to be there, and again for the 304. */
async function described(server: Served, path: string, signal: AbortSignal): Promise<Described> {
  const url = `${server.url}${path}`;
  const answered = await fetch(url, { signal });
  await answered.arrayBuffer();
  const etag = answered.headers.get('etag');
  if (answered.status !== 200 || !etag) throw new Error(`${url}: ${answered.status}, ETag ${etag}`);
  const again = await fetch(url, { headers: { 'If-None-Match': etag }, signal });
  if (again.status !== 304) throw new Error(`${url} with its ETag: ${again.status}`);
  return { server, path, etag };
}

function cpu(what: string, compared: Compared, peer: Peer, atMost?: number): Finding {
  const finding = found(`${what}: server CPU of one request`, 'µs', compared, peer);
  return atMost === undefined ? finding : { ...finding, target: { of: 'ratio', atMost } };
}

function rate(what: string, compared: Compared, atLeast?: number): Finding {
  const finding = found(`${what}: requests`, '/s', compared, 'nginx');
  return atLeast === undefined ? finding : { ...finding, target: { of: 'ratio', atLeast } };
}

function found(what: string, unit: '/s' | 'µs', compared: Compared, name: Peer): Finding {
  const value = unit === 'µs' ? 'cpuMicroseconds' : 'perSecond';
  const of = (server: Servers) =>
    compared[server].slice(WARM_UP_ROUNDS).map((round) => round[value]);
  const [ours, theirs] = [of('ours'), of(name)];
  const peer = { name, value: median(theirs) };
  return { what, unit, ours: median(ours), peer, ratio: medianRatio(ours, theirs) };
}

if (import.meta.main) await answer([delivery]);
