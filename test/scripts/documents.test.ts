import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lintFaults } from '../../scripts/check/documents.ts';

test('a document that breaks a rule is found, with the place and the rule', async () => {
  const operation = { responses: { 200: { description: 'good' } }, security: [] };
  const document = {
    openapi: '3.1.0',
    info: { title: 'x', version: '1', license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    paths: { '/x': { get: operation } },
  };
  const faults = await lintFaults('openapi.json', document);
  assert.ok(faults.some((fault) => /^openapi\.json: #\/paths\/~1x\/get.*\(operation-/.test(fault)));
  const broken = await lintFaults('asyncapi.json', { asyncapi: '3.0.0', channels: [] });
  assert.ok(broken.some((fault) => fault.startsWith('asyncapi.json: #/channels:')));
});
