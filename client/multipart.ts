import { randomUUID } from 'node:crypto';

/**
 * A form as one Blob, which can be sent again and knows its length. (fetch with a FormData never
 * ends when the file inside it has become unreadable.)
 */
export function multipart(fields: Iterable<[string, string]>, image: Blob): Blob {
  const boundary = `form-${randomUUID()}`;
  const parts: (string | Blob)[] = [];
  for (const [name, value] of fields) {
    parts.push(`--${boundary}\r\ncontent-disposition: form-data; name="${escaped(name)}"\r\n\r\n`);
    parts.push(value, '\r\n');
  }
  const filename = image instanceof File ? image.name : 'image';
  const type = image.type || 'application/octet-stream';
  const disposition = `form-data; name="image"; filename="${escaped(filename)}"`;
  parts.push(
    `--${boundary}\r\ncontent-disposition: ${disposition}\r\ncontent-type: ${type}\r\n\r\n`,
  );
  parts.push(image, `\r\n--${boundary}--\r\n`);
  return new Blob(parts, { type: `multipart/form-data; boundary=${boundary}` });
}

/** As browsers do it (HTML Standard, multipart/form-data encoding algorithm). */
function escaped(name: string): string {
  return name.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22');
}
