import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { parseCommand } from '../../../client/import/arguments.ts';

const PATH = tmpdir();
const COMPLETE = [PATH, '--type', 'map', '--theme', 'horror'];

test('what is missing is called required, with what would be right', async () => {
  const missing: [string[], RegExp][] = [
    [['--type', 'map', '--theme', 'horror'], /^PATH is required/],
    [[PATH, '--theme', 'horror'], /^--type is required: one of portrait, token/],
    [[PATH, '--type', 'map'], /^--theme is required, such as --theme fantasy/],
  ];
  for (const [args, message] of missing) await assert.rejects(parseCommand(args), { message });
});

test('a wrong value is named with what would be right', async () => {
  const wrong: [string[], RegExp][] = [
    [['--theme', '???'], /^--theme must be/],
    [['--type', 'picture'], /^--type is picture; it must be one of portrait, token/],
    [['--concurrency', '0'], /^--concurrency must be a whole number from 1/],
    [['--url', 'nowhere'], /^--url must be an address/],
    [['--bogus'], /Unknown option '--bogus'/],
    [['gone/elf.png'], /gone\/elf\.png does not exist, or is neither a folder nor a file/],
  ];
  for (const [args, message] of wrong) {
    await assert.rejects(parseCommand([...COMPLETE, ...args]), { message });
  }
});

test('a theme may be named as people write it', async () => {
  const command = await parseCommand([...COMPLETE, '--theme', 'High Fantasy']);
  assert.equal(command?.fields.theme, 'high_fantasy');
});

test('themes from folders need no --theme, and reach into folders', async () => {
  const command = await parseCommand([PATH, '--type', 'map', '--theme-from-folders']);
  assert.equal(command?.recursive, true);
  assert.equal(command?.fields.theme, undefined);
});
