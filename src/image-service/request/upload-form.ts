import { addAbortSignal } from 'node:stream';
import type { MultipartFile, MultipartValue } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { type FieldError, invalid, ServiceError } from '../../contract/errors.ts';
import { createFields } from '../../contract/fields.ts';
import { ImageFields } from '../../contract/image.ts';
import {
  CONTENT_MAX_BYTES,
  MULTIPART_FIELD_MAX_BYTES,
  MULTIPART_MAX_PARTS,
} from '../../contract/limits.ts';
import type { ContentClaim, CreateImage, Storage, WriteCall } from '../../contract/storage.ts';
import { tooLarge } from '../../http/upload-watch.ts';
import { discard } from './upload.ts';

const FILE_FIELD = 'image';
/** Above what storage takes, so that storage refuses what is too large and nothing is cut off. */
const FILE_CUT_BYTES = CONTENT_MAX_BYTES + 64 * 1024;
/** A part needs two or three header fields. */
const HEADERS_MAX_PAIRS = 20;

/** The options of @fastify/multipart. */
export const FORM_LIMITS = {
  limits: {
    parts: MULTIPART_MAX_PARTS,
    fieldSize: MULTIPART_FIELD_MAX_BYTES,
    fileSize: FILE_CUT_BYTES,
    headerPairs: HEADERS_MAX_PAIRS,
  },
};

/** What the form parser says, which gives its errors no codes, and what a body that breaks off does. */
const MALFORMED = /multipart|part terminated|boundary|needle|header|form/i;
const BROKEN_OFF = /^(FST_|ERR_STREAM_|HPE_|ECONNRESET$|EPIPE$)/;

/** What a form held: its file, already with storage, and all that was wrong with its parts. */
type Form = { content: ContentClaim | undefined; texts: Texts; faults: FieldError[] };
type Texts = Map<string, unknown[]>;

/** A form with the file and the fields of a new image, in any order. */
export async function acceptImageForm(storage: Storage, request: FastifyRequest, call: WriteCall) {
  const form = await readForm(storage, request, call, Object.keys(ImageFields.properties));
  let fields: CreateImage | undefined;
  try {
    fields = createFields(plainFields(form));
  } catch (thrown) {
    if (!(thrown instanceof ServiceError)) {
      if (form.content) await discard(storage, request, call.operationId);
      throw thrown;
    }
    const known = new Set(form.faults.map(({ field }) => field));
    form.faults.push(...thrown.errors.filter(({ field }) => !known.has(field)));
  }
  const content = await faultless(form, storage, request, call);
  return { fields: fields!, content };
}

/** A form with nothing but the file. */
export async function acceptFileForm(storage: Storage, request: FastifyRequest, call: WriteCall) {
  const form = await readForm(storage, request, call, []);
  return faultless(form, storage, request, call);
}

async function faultless(
  form: Form,
  storage: Storage,
  request: FastifyRequest,
  call: WriteCall,
): Promise<ContentClaim> {
  const { content, faults } = form;
  if (!content && !faults.some(({ field }) => field === FILE_FIELD)) {
    faults.push({ field: FILE_FIELD, message: 'is required: the file of the image' });
  }
  if (content && faults.length === 0) return content;
  if (content) await discard(storage, request, call.operationId);
  throw invalid(faults);
}

async function readForm(
  storage: Storage,
  request: FastifyRequest,
  call: WriteCall,
  fieldNames: readonly string[],
): Promise<Form> {
  const form: Form = { content: undefined, texts: new Map(), faults: [] };
  const names = new Set(fieldNames);
  try {
    for await (const part of request.parts()) {
      const fault =
        part.type === 'file'
          ? await takeFile(part, form, storage, call)
          : takeText(part, form.texts, names);
      if (fault) form.faults.push({ field: part.fieldname ?? '', message: fault });
    }
    return form;
  } catch (thrown) {
    if (form.content) await discard(storage, request, call.operationId);
    throw formError(thrown);
  }
}

/** Hands the file on while it arrives. Returns what is wrong with the part. */
async function takeFile(part: MultipartFile, form: Form, storage: Storage, call: WriteCall) {
  const misplaced = part.fieldname !== FILE_FIELD;
  if (misplaced || form.content) {
    part.file.resume();
    return misplaced ? 'is not a file here; the file is called image' : 'must be only one file';
  }
  let broken: Error | undefined;
  part.file.once('error', (error) => {
    broken = error;
  });
  addAbortSignal(call.signal, part.file);
  try {
    const sent = { filename: part.filename || null };
    form.content = (await storage.acceptContent(part.file, sent, call)).claim;
  } catch (thrown) {
    part.file.destroy();
    const refused = thrown instanceof ServiceError && thrown.code !== 'internal';
    throw refused ? thrown : (broken ?? thrown);
  }
  if (part.file.truncated) throw tooLarge();
  return undefined;
}

function takeText(part: MultipartValue, texts: Texts, names: ReadonlySet<string>) {
  const { fieldname: name, value } = part;
  if (name === FILE_FIELD) return 'must be a file: a part with a filename';
  if (!name) return 'must have a name in each of its parts';
  if (!names.has(name)) {
    return `is not a field here; there are ${[FILE_FIELD, ...names].join(', ')}`;
  }
  if (part.valueTruncated) return `must be up to ${MULTIPART_FIELD_MAX_BYTES} bytes`;
  const before = texts.get(name) ?? [];
  texts.set(name, [...before, value]);
  return before.length > 0 && name !== 'tags' ? 'must be given only once' : undefined;
}

/** Form texts as the values that the check of the fields takes. */
function plainFields({ texts }: Form): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [name, [first, ...more]] of texts) {
    if (name === 'tags') fields.tags = splitTags([first, ...more]);
    else fields[name] = name === 'attributes' ? parseAttributes(first) : first;
  }
  return fields;
}

/**
 * Repeated fields and comma lists in one; an empty one is none. A part that calls itself JSON comes
 * parsed: what is no text stays as it is, so that the check of the fields names it.
 */
function splitTags(values: readonly unknown[]): unknown[] {
  const tags = values.flat().flatMap((value) => {
    return typeof value === 'string' ? value.split(',').map((tag) => tag.trim()) : [value];
  });
  return tags.filter((tag) => tag !== '');
}

/** Text that is not JSON stays text, so that the check of the fields names it. */
function parseAttributes(value: unknown): unknown {
  try {
    return typeof value === 'string' ? JSON.parse(value) : value;
  } catch {
    return value;
  }
}

/** What @fastify/multipart finds wrong, in our words. */
function formError(thrown: unknown): unknown {
  if (thrown instanceof ServiceError) return thrown;
  const { code, message } = thrown as NodeJS.ErrnoException;
  if (code === 'FST_INVALID_MULTIPART_CONTENT_TYPE') {
    return new ServiceError('unsupported_media_type', 'The body must be multipart/form-data.');
  }
  if (code === 'FST_PARTS_LIMIT') {
    return invalid([{ field: '', message: `must have up to ${MULTIPART_MAX_PARTS} parts` }]);
  }
  if (code === 'FST_INVALID_JSON_FIELD_ERROR') {
    return invalid([{ field: 'attributes', message: 'must be a JSON object with plain keys' }]);
  }
  if (code === 'FST_PROTO_VIOLATION') {
    return invalid([{ field: '', message: 'has a field whose name is not taken here' }]);
  }
  const ofBody = code === undefined ? MALFORMED.test(message) : BROKEN_OFF.test(code);
  if (!ofBody) return thrown;
  return new ServiceError(
    'invalid_request',
    'The body is not a whole multipart/form-data body. Check its boundary and its end.',
    { cause: thrown },
  );
}
