import { randomUUID } from 'node:crypto';

/** A request that uploads an image, with as few copies as can be. */
export function imageForm(file: readonly Uint8Array[], filename = 'photograph.jpg') {
  const boundary = randomUUID();
  const texts = Object.entries({ type: 'other', name: filename, theme: 'fantasy' }).map(
    ([name, value]) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const head = `${texts.join('')}--${boundary}\r\nContent-Disposition: form-data; name="image"; filename="${filename}"\r\nContent-Type: application/octet-stream\r\n\r\n`;
  return {
    method: 'POST',
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: [Buffer.from(head), ...file, Buffer.from(`\r\n--${boundary}--\r\n`)],
  };
}
