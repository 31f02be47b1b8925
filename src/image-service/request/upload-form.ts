import { addAbortSignal } from 'node:stream';
import type { MultipartFile, MultipartValue } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { type FieldError, invalid, ServiceError } from '../../contract/errors.ts';
import { createFields } from '../../contract/fields.ts';
import { ImageFields } from '../../contract/image.ts';
import { parseJson } from '../../contract/json.ts';
import {
  CONTENT_MAX_BYTES,
  MULTIPART_FIELD_MAX_BYTES,
  MULTIPART_MAX_PARTS,
} from '../../contract/limits.ts';
import type { ContentClaim, CreateImage, Storage, WriteCall } from '../../contract/storage.ts';
import { tooLarge } from '../../http/upload-watch.ts';
import { formFields, type Texts } from './form-fields.ts';
import { discard, noBoundary } from './upload.ts';

const FILE_FIELD = 'image';
/** Above what storage takes, so that storage refuses what is too large and nothing is cut off. */
const FILE_CUT_BYTES = CONTENT_MAX_BYTES + 64 * 1024;
/** Of a value in the text of an error. */
const SHOWN_MAX_CHARACTERS = 100;
/** A part needs two or three header fields. */
const HEADERS_MAX_PAIRS = 20;

/** The options of @fastify/multipart. */
export const FORM_OPTIONS = {
  // The file needs no name (RFC 7578, 4.2), and JSON is parsed here: the library names no field.
  isPartAFile: (name: string | undefined, type: string | undefined, filename: string | undefined) =>
    name === FILE_FIELD || filename !== undefined || isJson(type),
  limits: {
    parts: MULTIPART_MAX_PARTS,
    fieldSize: MULTIPART_FIELD_MAX_BYTES,
    fileSize: FILE_CUT_BYTES,
    headerPairs: HEADERS_MAX_PAIRS,
  },
};

export const IMAGE_FORM_RULE =
  'Send multipart/form-data, with curl: curl -F image=@elf.png -F type=portrait -F name=Elf -F theme=fantasy http://127.0.0.1:8000/api/v2/images';

/** Encodings of mail, which are not decoded here: RFC 7578, 4.7 deprecates them for forms. */
const UNSUPPORTED_ENCODING = /^(base64|quoted-printable)$/i;
/** In which some browsers and libraries say how the texts are encoded (RFC 7578, 4.6). */
const CHARSET_FIELD = '_charset_';
const UTF_8 = /^utf-?8$/i;
const JSON_PART = /^application\/(?:[\w.-]+\+)?json\b/i;

/** What the form parser says, which gives its errors no codes, and what a body that breaks off does. */
const MALFORMED = /multipart|part terminated|boundary|needle|header|form/i;
const BROKEN_OFF = /^(FST_|ERR_STREAM_|HPE_|ECONNRESET$|EPIPE$)/;

/** What a form held: its file, already with storage, and all that was wrong with its parts. */
type Form = { content: ContentClaim | undefined; texts: Texts; faults: FieldError[] };

/** A form with the file and the fields of a new image, in any order. */
export async function acceptImageForm(storage: Storage, request: FastifyRequest, call: WriteCall) {
  const form = await readForm(storage, request, call, Object.keys(ImageFields.properties));
  let fields: CreateImage | undefined;
  try {
    fields = createFields(formFields(form.texts, form.faults));
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
  const take = (part: MultipartFile | MultipartValue) => {
    if (UNSUPPORTED_ENCODING.test(part.encoding)) {
      if (part.type === 'file') part.file.resume();
      return `has the Content-Transfer-Encoding ${part.encoding}, which is not supported (RFC 7578, 4.7); send the part as it is`;
    }
    if (part.type === 'field') return takeText(part, form.texts, names);
    if (part.fieldname === FILE_FIELD) return takeImage(part, form, storage, call);
    return takeDocument(part, form.texts, names, call);
  };
  try {
    for await (const part of request.parts()) {
      const fault = await take(part);
      if (fault) form.faults.push({ field: part.fieldname ?? '', message: fault });
    }
    return form;
  } catch (thrown) {
    if (form.content) await discard(storage, request, call.operationId);
    throw formError(thrown);
  }
}

/** Hands the file on while it arrives. Returns what is wrong with the part. */
async function takeImage(part: MultipartFile, form: Form, storage: Storage, call: WriteCall) {
  if (form.content) {
    part.file.resume();
    return 'must be only one file';
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
    throw refused ? toldOfPart(thrown, part) : (broken ?? thrown);
  }
  if (part.file.truncated) throw tooLarge();
  return undefined;
}

/** Bytes that are no image may be a part that was not meant as a file. */
function toldOfPart(refusal: ServiceError, { filename, mimetype, file }: MultipartFile) {
  if (refusal.code !== 'unsupported_media_type') return refusal;
  const { bytesRead } = file as typeof file & { bytesRead: number };
  if (!filename && bytesRead === 0) {
    return invalid([{ field: FILE_FIELD, message: 'is required: the part holds no bytes' }]);
  }
  if (filename !== undefined || mimetype !== 'text/plain') return refusal;
  const message = 'must be the bytes of a file, and is text; with curl: -F image=@elf.png';
  return invalid([{ field: FILE_FIELD, message }]);
}

/** A field sent as JSON, or as a file such as the Blob of a browser. Returns what is wrong with it. */
async function takeDocument(
  part: MultipartFile,
  texts: Texts,
  names: ReadonlySet<string>,
  call: WriteCall,
) {
  const { fieldname, file, mimetype, filename } = part;
  const name = fieldOf(fieldname);
  addAbortSignal(call.signal, file);
  const isFile = filename !== undefined && (!names.has(name) || mimetype.startsWith('image/'));
  const misplaced = isFile
    ? 'is not a file here; the file is called image'
    : notAField(name, names);
  const text = await textOf(file, misplaced ? 0 : MULTIPART_FIELD_MAX_BYTES);
  if (misplaced) return misplaced;
  if (text === undefined) return `must be up to ${MULTIPART_FIELD_MAX_BYTES} bytes`;
  if (!isJson(mimetype)) return keepValue(texts, name, text);
  try {
    return keepValue(texts, name, parseJson(text));
  } catch {
    const message = 'is sent as application/json and is not JSON; send it as text/plain';
    return `${message}, or as JSON: ${JSON.stringify(text.slice(0, SHOWN_MAX_CHARACTERS))}`;
  }
}

/** All of a part is read, or the form would not go on. Undefined when it is longer. */
async function textOf(file: AsyncIterable<Buffer>, maxBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of file) {
    bytes += chunk.length;
    if (bytes <= maxBytes) chunks.push(chunk);
  }
  return bytes <= maxBytes ? new TextDecoder().decode(Buffer.concat(chunks)) : undefined;
}

function takeText(part: MultipartValue, texts: Texts, names: ReadonlySet<string>) {
  const { fieldname, value } = part;
  const name = fieldOf(fieldname);
  if (name === CHARSET_FIELD) return UTF_8.test(String(value)) ? undefined : 'must be UTF-8';
  const misplaced = notAField(name, names);
  if (misplaced) return misplaced;
  if (part.valueTruncated) return `must be up to ${MULTIPART_FIELD_MAX_BYTES} bytes`;
  return keepValue(texts, name, value);
}

/** Many HTTP libraries write lists as `tags[]` or `tags[0]`. */
function fieldOf(sent: string | undefined): string {
  return (sent ?? '').replace(/^tags\[\d{0,3}\]$/, 'tags');
}

function notAField(name: string, names: ReadonlySet<string>): string | undefined {
  if (name === '') return 'must have a name in each of its parts';
  if (names.has(name)) return undefined;
  const hint = /^attributes[[.]/.test(name) ? '; send attributes={"level":3}, a JSON object' : '';
  return `is not a field here; there are ${[FILE_FIELD, ...names].join(', ')}${hint}`;
}

function keepValue(texts: Texts, name: string, value: unknown): string | undefined {
  const before = texts.get(name) ?? [];
  texts.set(name, [...before, value]);
  return before.length > 0 && name !== 'tags' ? 'must be given only once' : undefined;
}

function isJson(type: string | undefined): boolean {
  return JSON_PART.test(type ?? '');
}

/** What @fastify/multipart finds wrong, in our words. */
function formError(thrown: unknown): unknown {
  if (thrown instanceof ServiceError) return thrown;
  const { code, message } = thrown as NodeJS.ErrnoException;
  if (code === 'FST_INVALID_MULTIPART_CONTENT_TYPE') {
    return new ServiceError('unsupported_media_type', IMAGE_FORM_RULE);
  }
  if (code === 'FST_PARTS_LIMIT') {
    return invalid([{ field: '', message: `must have up to ${MULTIPART_MAX_PARTS} parts` }]);
  }
  if (code === 'FST_PROTO_VIOLATION') {
    return invalid([{ field: '', message: 'has a field whose name is not taken here' }]);
  }
  if (message === 'Multipart: Boundary not found') return noBoundary(thrown);
  const ofBody = code === undefined ? MALFORMED.test(message) : BROKEN_OFF.test(code);
  if (!ofBody) return thrown;
  return new ServiceError(
    'invalid_request',
    'The body is not a whole multipart/form-data body. Check its boundary and its end.',
    { cause: thrown },
  );
}
