import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Response as Answer, Browser, Page, Route } from 'playwright-core';
import type { Image } from '../../src/contract/image.ts';
import type { Theme } from '../../src/contract/theme.ts';
import { create, png } from '../services/api.ts';
import { launchBrowser, withoutBrowser } from '../services/browser.ts';
import { type RunningService, startService } from '../services/service.ts';

/** The page /docs as somebody uses it who opens an operation, tries it out and executes it. */

type Operation = { method: string; path: string; id: string; tag: string };

/** A page that shows nothing by then never will. */
const SHOWN_MAX_MS = 60_000;

describe('the page of the documentation', { skip: withoutBrowser }, () => {
  let service: RunningService;
  let browser: Browser;
  let page: Page;
  const faults: string[] = [];
  const done = new Map<string, Answer>();

  before(async () => {
    service = await startService();
    browser = await launchBrowser();
    page = await browser.newPage({ viewport: { width: 800, height: 600 } });
    page.setDefaultTimeout(SHOWN_MAX_MS);
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    await page.route('**/docs/json', withoutProblems);
    await page.goto(`${service.url}/docs`);
    await page.locator('.opblock').first().waitFor();
  });
  after(async () => {
    await browser?.close();
    await service?.close();
  });

  const json = async (path: string) => (await fetch(service.url + path)).json();
  const themes = async () => ((await json('/api/v2/themes')) as { items: Theme[] }).items;
  const described = async (id: string) => (await json(`/api/v2/images/${id}`)) as Image;
  /** In the order of the document, but what removes comes last, and what brings back after it. */
  const operations = async (): Promise<Operation[]> => {
    type Described = { operationId: string; tags: string[] };
    const { paths } = (await json('/openapi.json')) as {
      paths: Record<string, Record<string, Described>>;
    };
    const all = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId, tags }]) => {
        return { method: method.toUpperCase(), path, id: operationId, tag: tags[0]! };
      }),
    );
    const rank = ({ id, method }: Operation) =>
      id === 'createImage' ? 0 : id === 'restoreImage' ? 3 : method === 'DELETE' ? 2 : 1;
    return all.sort((a, b) => rank(a) - rank(b));
  };

  /** With nothing filled in but the id of the image and the file. */
  async function execute({ method, path, id, tag }: Operation, imageId: string): Promise<Answer> {
    const block = page.locator(`#operations-${tag}-${id}`);
    await block.locator('.opblock-summary-control').click();
    await block.locator('.try-out__btn').click();
    const given = block.locator('tr[data-param-name="id"] input');
    if (await given.count()) await given.fill(imageId);
    const file = block.locator('input[type=file]');
    const chosen = { name: 'elf.png', mimeType: 'image/png', buffer: await png() };
    if (await file.count()) await file.setInputFiles(chosen);
    const pattern = new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`);
    const answered = page.waitForResponse(
      (answer) =>
        answer.request().method() === method && pattern.test(new URL(answer.url()).pathname),
    );
    await block.locator('.execute').click();
    const answer = await answered;
    const shown = block.locator('.live-responses-table .response .response-col_status').first();
    await shown.waitFor();
    assert.match((await shown.textContent()) ?? '', new RegExp(`^${answer.status()}`), id);
    await block.locator('.opblock-summary-control').click();
    done.set(id, answer);
    return answer;
  }

  test('every operation succeeds with its examples, and changes only what it is about', async () => {
    const other = await create((path, init) => fetch(service.url + path, init));
    const vocabulary = await themes();
    let image = other;
    for (const operation of await operations()) {
      const before = image;
      const answer = await execute(operation, image.id);
      const name = `${operation.method} ${operation.path}`;
      assert.ok(answer.ok(), `${name}: ${answer.status()} ${await answer.text()}`);
      if (operation.id === 'createImage') {
        image = (await answer.json()) as Image;
        assertUntouched(image);
      } else if (operation.method !== 'DELETE') {
        image = await described(image.id);
      }
      if (operation.id === 'patchImage') {
        const { attributes, version, updated_at } = image;
        assert.deepEqual(image, { ...before, attributes, version, updated_at });
        assert.deepEqual(attributes, { level: 4 });
      }
      if (operation.method === 'GET') assert.deepEqual(image, before, name);
    }
    assert.deepEqual(await described(other.id), other);
    const now = await themes();
    for (const { image_count: _, ...theme } of vocabulary) {
      const found = now.find(({ name }) => name === theme.name)!;
      assert.deepEqual({ ...theme, image_count: found.image_count }, found);
    }
    const added = now.filter(({ name }) => !vocabulary.some((theme) => theme.name === name));
    assert.ok(
      added.every(({ name }) => name === 'clockwork_city'),
      JSON.stringify(added),
    );
    assert.deepEqual(faults, []);
  });

  test('filters and headers that nobody filled in are not sent', () => {
    for (const [id, answer] of done) {
      const request = answer.request();
      const names = [...new URL(request.url()).searchParams.keys()];
      assert.deepEqual(names, id === 'listImages' ? ['limit'] : [], id);
      const headers = Object.keys(request.headers());
      const optional = ['idempotency-key', 'if-match', 'if-none-match', 'range', 'if-range'];
      assert.deepEqual(
        headers.filter((name) => optional.includes(name)),
        [],
        id,
      );
    }
  });
});

/** To draw all that may go wrong is most of the work of the page, and nothing here looks at it. */
async function withoutProblems(route: Route): Promise<void> {
  const answer = await route.fetch();
  const document = (await answer.json()) as {
    paths: Record<string, Record<string, { responses: Record<string, object> }>>;
  };
  for (const { responses } of Object.values(document.paths).flatMap((path) =>
    Object.values(path),
  )) {
    for (const status of Object.keys(responses)) if (status >= '4') delete responses[status];
  }
  await route.fulfill({ response: answer, json: document });
}

/** An optional field that was sent empty would not be at its default. */
function assertUntouched(image: Image): void {
  const { type, name, theme, subtype, description, tags, attributes } = image;
  assert.deepEqual([type, name, theme], ['portrait', 'Elven ranger', 'high_fantasy']);
  assert.deepEqual([subtype, description, tags, attributes], [null, null, [], {}]);
}
