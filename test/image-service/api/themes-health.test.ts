import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { ImagePage } from '../../../src/contract/image.ts';
import { SEED_THEMES } from '../../../src/contract/seed-themes.ts';
import type { Theme } from '../../../src/contract/theme.ts';
import { checkedApi, create, fieldsOf, problem } from '../../services/api.ts';
import { startService, VERSION } from '../../services/service.ts';

const service = await startService();
after(() => service.close());
const api = await checkedApi(service.url);

const put = (name: string, body: unknown, headers: Record<string, string> = {}) =>
  api(`/api/v2/themes/${name}`, {
    method: 'PUT',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
const theme = async (name: string) => (await (await api(`/api/v2/themes/${name}`)).json()) as Theme;

test('the vocabulary is seeded and counts its images', async () => {
  const { items } = (await (await api('/api/v2/themes')).json()) as { items: Theme[] };
  const names = items.map(({ name }) => name);
  for (const { name } of SEED_THEMES) assert.ok(names.includes(name), name);
  await create(api, { theme: 'western' });
  assert.deepEqual(await theme('western'), {
    name: 'western',
    display_name: 'Western',
    description: null,
    parent: null,
    synonyms: ['wild west', 'frontier'],
    image_count: 1,
  });
});

test('a new theme is 201 with its place, a changed one 200', async () => {
  const created = await put('undead', { parent: 'horror', synonyms: ['zombies'] });
  assert.deepEqual(
    [created.status, created.headers.get('location')],
    [201, '/api/v2/themes/undead'],
  );
  const known = await theme('undead');
  const changed = await put('undead', { ...known, description: 'Those who came back' });
  assert.equal(changed.status, 200);
  assert.deepEqual(await changed.json(), { ...known, description: 'Those who came back' });
});

test('an unknown theme is 404, a malformed name 400 when written, a cycle 409', async () => {
  await problem(await api('/api/v2/themes/nowhere'), 404, 'theme_not_found');
  await problem(await api('/api/v2/themes/..%2f..%5c'), 404, 'theme_not_found');
  for (const name of ['%21', 'a%2fb', 'a__b', 'x'.repeat(51), '%00']) {
    assert.deepEqual(fieldsOf(await problem(await put(name, {}), 400, 'invalid_request')), [
      'name',
    ]);
  }
  const wrong = await put('undead', { parent: '?', colour: 1 });
  const fields = fieldsOf(await problem(wrong, 400, 'invalid_request'));
  assert.deepEqual(fields.sort(), ['colour', 'parent']);
  await put('a', { parent: 'horror' });
  await problem(await put('horror', { parent: 'a' }), 409, 'theme_cycle');
});

test('a theme is found by any of its names', async () => {
  const { id } = await create(api, { theme: 'High Fantasy', tags: 'any,name' });
  const found = async (query: string) => {
    const page = (await (await api(`/api/v2/images?tag=any,name&${query}`)).json()) as ImagePage;
    return page.items.map((item) => `${item.id} ${item.theme}`);
  };
  for (const name of ['High%20Fantasy', 'high-fantasy', 'HIGH_FANTASY', 'Epic', 'fantasy', '']) {
    assert.deepEqual(await found(`theme=${name}`), [`${id} high_fantasy`], name);
  }
  for (const name of ['High%20Fantasy', 'epic', 'H%C3%ADgh-Fantasy']) {
    assert.equal((await theme(name)).name, 'high_fantasy');
  }
  const created = await put('Night%20City', { parent: 'Cyberpunk' });
  assert.equal(created.headers.get('location'), '/api/v2/themes/night_city');
  assert.equal((await theme('night_city')).parent, 'cyberpunk');
});

test('a list tells of a theme that nobody has, and of parameters that it does not know', async () => {
  const page = (await (await api('/api/v2/images?theme=hig-fantasy')).json()) as ImagePage;
  const message = 'No theme "hig_fantasy". Did you mean "high_fantasy"?';
  assert.deepEqual(page, { items: [], next_cursor: null, hints: [{ field: 'theme', message }] });
  const unknown = await problem(await api('/api/v2/themes?name=x&y='), 400, 'invalid_request');
  assert.deepEqual(fieldsOf(unknown), ['name', 'y']);
});

test('a theme is deleted once no image has it, and stays so', async () => {
  const remove = (name: string) => api(`/api/v2/themes/${name}`, { method: 'DELETE' });
  const { id } = await create(api, { theme: 'hihg_fantasy' });
  const used = await problem(await remove('hihg_fantasy'), 409, 'theme_in_use');
  assert.match(used.detail, /in use by 1 image\./);
  const patch = {
    method: 'PATCH',
    body: '{"theme":"high-fantasy"}',
    headers: { 'content-type': 'application/json' },
  };
  assert.equal((await api(`/api/v2/images/${id}`, patch)).status, 200);
  const listed = async () => {
    const page = await (await api('/api/v2/images?theme=hihg_fantasy')).json();
    return (page as ImagePage).hints?.length;
  };
  assert.equal(await listed(), undefined);
  assert.equal((await remove('Hihg-Fantasy')).status, 204);
  assert.equal(await listed(), 1);
  assert.equal((await remove('hihg_fantasy')).status, 204);
  await problem(await api('/api/v2/themes/hihg_fantasy'), 404, 'theme_not_found');
  for (const name of ['nobody_had_it', '..%2f', '%00']) {
    await problem(await remove(name), 404, 'theme_not_found');
  }
  const parent = await problem(await remove('fantasy'), 409, 'theme_in_use');
  assert.match(parent.detail, /parent of high_fantasy, low_fantasy/);
});

test('writing a theme can be repeated with its key', async () => {
  const key = { 'idempotency-key': 'theme' };
  assert.equal((await put('once', {}, key)).status, 201);
  const again = await put('once', {}, key);
  assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [201, 'true']);
});

test('health names both dependencies', async () => {
  const response = await api('/health');
  assert.equal(response.headers.get('cache-control'), 'no-store');
  const { status, version, dependencies } = (await response.json()) as {
    status: string;
    version: string;
    dependencies: Record<string, { status: string; latency_ms: number; mode?: string }>;
  };
  assert.deepEqual([status, version], ['healthy', VERSION]);
  assert.equal(dependencies.message_hub!.mode, 'in_process');
  assert.equal(dependencies.storage!.status, 'healthy');
  assert.equal((await api('/health/live')).status, 200);
  assert.equal((await api('/health/ready')).status, 200);
  assert.equal((await api('/health', { method: 'HEAD' })).status, 200);
});
