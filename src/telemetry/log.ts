import { pino } from 'pino';
import type { Setting } from '../settings.ts';
import { errorRecord } from './error-record.ts';
import { standardOutput } from './log-output.ts';
import { prettyLine } from './pretty-line.ts';

/**
 * The log: one JSON object a line, with `time` (RFC 3339, milliseconds), `level`, `message`,
 * `service`, `version`, and `request_id` where a request is bound. An error goes in as `err`.
 */

export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type Log = pino.Logger;

export const logSettings = {
  logLevel: {
    name: 'LOG_LEVEL',
    default: 'INFO',
    describe: `the least level that is logged: ${LOG_LEVELS.join(', ')}, in either case`,
    parse(text) {
      const level = LOG_LEVELS.find((name) => name === text.toUpperCase());
      if (level) return level;
      throw new Error(`must be one of ${LOG_LEVELS.join(', ')}`);
    },
  } satisfies Setting<LogLevel> as Setting<LogLevel>,
};

const pinoLevel = { DEBUG: 'debug', INFO: 'info', WARNING: 'warn', ERROR: 'error' } as const;

/** Fastify and pino know two levels more, at either end. */
const shownLevel: Record<string, LogLevel> = {
  trace: 'DEBUG',
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
  fatal: 'ERROR',
};

/** Headers that let in whoever reads them, wherever they may be logged by oversight. */
const secretHeaders = ['authorization', 'proxy-authorization', 'cookie', 'set-cookie'];
const secrets = ['', 'headers', 'req.headers', 'res.headers'].flatMap((place) =>
  secretHeaders.map((header) => `${place}["${header}"]`),
);

export type LogOptions = {
  service: string;
  version: string;
  level: LogLevel;
  /** For people at a terminal instead of JSON. */
  pretty?: boolean;
  /** Takes one line at a time, its line break included; absent: standard output. */
  destination?: { write(line: string): void };
};

/** Writes before it returns, so that the last words of a dying process are not lost. */
export function createLog(options: LogOptions): Log {
  const { service, version, level, pretty = false } = options;
  const output = options.destination ? undefined : standardOutput();
  const destination = options.destination ?? output!;
  const write = (line: string) => destination.write(prettyLine(line));
  const log = pino(
    {
      level: pinoLevel[level],
      base: { service, version },
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: shownLevel[label] }) },
      serializers: { err: errorRecord },
      redact: { paths: secrets, censor: '[redacted]' },
    },
    pretty ? { write } : destination,
  );
  if (output) {
    output.restored = (lines) =>
      log.warn({ lines }, 'Log lines were lost while the log could not be written');
  }
  return log;
}
