import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply } from 'fastify';
import {
  type ErrorCode,
  type FieldError,
  ServiceError,
  toServiceError,
} from '../contract/errors.ts';
import { JSON_BODY_MAX_BYTES } from '../contract/limits.ts';
import { statusOf } from './status.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The code of the error that it is answered with, for its line in the log. */
    refusal?: ErrorCode;
  }
}

/** Every error answer: RFC 9457, `application/problem+json`. */
export type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  request_id: string;
  errors?: readonly FieldError[];
};

const ABOUT_CONTENT = [
  'etag',
  'last-modified',
  'accept-ranges',
  'content-disposition',
  'content-range',
  'content-length',
];

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** What Fastify finds wrong before a route runs, in our words. */
const FRAMEWORK_ERRORS: Record<string, [ErrorCode, string]> = {
  FST_ERR_BAD_URL: ['invalid_request', 'The path is not well-formed: check its %-escapes.'],
  FST_ERR_CTP_BODY_TOO_LARGE: [
    'content_too_large',
    `The body is too large: JSON may have up to ${JSON_BODY_MAX_BYTES} bytes.`,
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'invalid_request',
    'The body is not as long as its Content-Length says.',
  ],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'unsupported_media_type',
    'The Content-Type is malformed. Send one such as application/json; /docs lists those supported.',
  ],
};

/** Anything thrown while a request was handled, as the error that the client is told. */
export function asServiceError(thrown: unknown): ServiceError {
  const { code, statusCode } = thrown as Partial<FastifyError>;
  if (thrown instanceof ServiceError) return thrown;
  const known = code === undefined ? undefined : FRAMEWORK_ERRORS[code];
  if (known) return new ServiceError(known[0], known[1], { cause: thrown });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    const message = 'The request is malformed; /docs shows what is taken here.';
    return new ServiceError('invalid_request', message, { cause: thrown });
  }
  return toServiceError(thrown);
}

/** Takes back what was said of bytes that could not be read after all. */
export function dropContentHeaders(reply: FastifyReply): void {
  // A range that is refused has Content-Range alone, which stays.
  if (!reply.hasHeader('content-length')) return;
  for (const name of ABOUT_CONTENT) reply.removeHeader(name);
}

export function problemOf(error: ServiceError, requestId: string): Problem {
  const { status, title } = statusOf(error.code);
  const problem: Problem = {
    type: `urn:dnd-image-service:problem:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    request_id: requestId,
  };
  if (error.errors.length > 0) problem.errors = error.errors;
  return problem;
}

/** What Node finds wrong before there is a request: answered on the bare socket. */
export function answerSocketError(fault: NodeJS.ErrnoException, socket: Socket): void {
  const answering = (socket as { _httpMessage?: ServerResponse })._httpMessage;
  if (!socket.writable || fault.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  if (answering?.headersSent) {
    // What was answered is still sent, but nothing can come behind it.
    if (answering.writableEnded) socket.end();
    else socket.destroy();
    return;
  }
  const problem = problemOf(socketError(fault.code), crypto.randomUUID());
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-ID: ${problem.request_id}`,
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function socketError(code: string | undefined): ServiceError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new ServiceError('headers_too_large', 'The header fields must be under 16 KiB in all.');
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new ServiceError('request_timeout', 'The request did not arrive whole in time.');
  }
  return new ServiceError('invalid_request', 'This is not a well-formed HTTP/1.1 request.');
}
