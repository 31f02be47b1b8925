import { Type } from 'typebox';
import { check } from '../contract/check.ts';
import { invalid, ServiceError } from '../contract/errors.ts';
import { type Json, toJson } from '../contract/json.ts';
import { MESSAGE_CONTENT_MAX_BYTES } from '../contract/limits.ts';
import {
  type FoundContent,
  OPERATIONS,
  type OperationName,
  WireContent,
} from '../contract/messages.ts';
import type { ContentClaim, Outcome, Storage, WriteCall } from '../contract/storage.ts';
import { release } from './release.ts';

/** What a success of an operation carries. */
export type Success = { data: Json<object>; replayed?: true; created?: true };
type CarryOut = (storage: Storage, data: never, call: WriteCall) => Promise<Success>;

/** An operation of a message as a call of Storage. Throws what Storage throws. */
export function carryOut(
  storage: Storage,
  operation: OperationName,
  data: unknown,
  call: WriteCall,
): Promise<Success> {
  return CALLS[operation](storage, data as never, call);
}

/** Storage checks the fields of images, filters and themes; what stands beside them is checked here. */
const CALLS = {
  async create_image(storage, { content, ...fields }: { content: unknown }, call) {
    const claim = claimOf(content);
    return outcome(await storage.createImage(fields as never, claim, call));
  },
  async get_image(storage, data: object, call) {
    const { image_id } = check(OPERATIONS.get_image.data, data);
    return { data: toJson(await storage.getImage(image_id, call)) };
  },
  async update_image(storage, { patch, ...data }: { patch: unknown }, call) {
    const { image_id, whole = false, if_version } = check(UpdateTarget, data);
    if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) {
      throw invalid([{ field: 'patch', message: 'must be a JSON object: the fields to change' }]);
    }
    const change = { image_id, patch: patch as never, whole };
    const condition = if_version === undefined ? {} : { if_version };
    return outcome(await storage.updateImage({ ...change, ...condition }, call));
  },
  async delete_image(storage, data: object, call) {
    return outcome(await storage.deleteImage(check(OPERATIONS.delete_image.data, data), call));
  },
  async restore_image(storage, data: object, call) {
    return outcome(await storage.restoreImage(check(OPERATIONS.restore_image.data, data), call));
  },
  async list_images(storage, filter: never, call) {
    return { data: await storage.listImages(filter, call) };
  },
  async replace_content(storage, { content, ...data }: { content: unknown }, call) {
    const target = check(ReplaceTarget, data);
    return outcome(await storage.replaceContent(target, claimOf(content), call));
  },
  async get_content(storage, data: object, call) {
    const { image_id, sha256 } = check(OPERATIONS.get_content.data, data);
    if ((image_id === undefined) === (sha256 === undefined)) {
      const message = 'get_content takes either image_id or sha256.';
      throw new ServiceError('invalid_request', message);
    }
    const known = sha256 ?? (await storage.getImage(image_id!, call)).content.sha256;
    return { data: toJson(await foundContent(storage, known, call)) };
  },
  async list_themes(storage, data: object, call) {
    check(OPERATIONS.list_themes.data, data);
    return { data: toJson(await storage.listThemes(call)) };
  },
  async put_theme(storage, { name, ...fields }: { name: string }, call) {
    const put = await storage.putTheme(name, fields, call);
    const { theme, created } = put.value;
    return { ...outcome({ ...put, value: theme }), ...(created && { created }) };
  },
  async delete_theme(storage, data: object, call) {
    const { name } = check(OPERATIONS.delete_theme.data, data);
    return outcome(await storage.deleteTheme(name, call));
  },
  async ping(storage, data: object, call) {
    check(OPERATIONS.ping.data, data);
    return { data: toJson(await storage.ping(call)) };
  },
} as const satisfies Record<OperationName, CarryOut>;

const { patch: _, ...updateTarget } = OPERATIONS.update_image.data.properties;
const UpdateTarget = Type.Object(updateTarget, { additionalProperties: false });
const { content: __, ...replaceTarget } = OPERATIONS.replace_content.data.properties;
const ReplaceTarget = Type.Object(replaceTarget, { additionalProperties: false });

function outcome({ value, replayed }: Outcome<object>): Success {
  return { data: toJson(value), ...(replayed && { replayed }) };
}

function claimOf(content: unknown): ContentClaim {
  if (content === undefined) {
    throw invalid([{ field: 'content', message: 'is required: { sha256, size_bytes, … }' }]);
  }
  const { data, ...claim } = check(WireContent, content, 'content');
  if (data === undefined) return claim;
  const bytes = Buffer.from(data, 'base64');
  if (bytes.length > MESSAGE_CONTENT_MAX_BYTES) {
    const message = `must be base64 of up to ${MESSAGE_CONTENT_MAX_BYTES} bytes; larger content is sent beside the message`;
    throw invalid([{ field: 'content.data', message }]);
  }
  if (bytes.length !== claim.size_bytes) {
    const message = `is ${claim.size_bytes}, and content.data holds ${bytes.length} bytes`;
    throw invalid([{ field: 'content.size_bytes', message }]);
  }
  return { ...claim, data: bytes };
}

async function foundContent(
  storage: Storage,
  sha256: string,
  call: WriteCall,
): Promise<FoundContent> {
  const content = await storage.getContent(sha256, null, call);
  const { size_bytes, media_type } = content;
  const found = { sha256, size_bytes, media_type };
  if (size_bytes > MESSAGE_CONTENT_MAX_BYTES) {
    // Opened only to know that it is there.
    await release(content);
    return { ...found, url: `content/${sha256}` };
  }
  const whole = Buffer.concat(await Array.fromAsync(content.bytes));
  return { ...found, data: whole.toString('base64') };
}
