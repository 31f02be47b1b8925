import type { Channel } from 'rabbitmq-client';

type HeaderFrame = { fields: { contentType?: string } };
type Inside = { _onHeader(frame: HeaderFrame): void };

/**
 * rabbitmq-client parses a body that says that it is JSON, and JSON.parse changes long numbers. On
 * this channel bodies stay bytes. The library has no option for it.
 */
export function keepBodies(channel: Channel): void {
  const inside = channel as unknown as Inside;
  const onHeader = inside._onHeader;
  inside._onHeader = function keepBody(this: Inside, frame) {
    delete frame.fields.contentType;
    onHeader.call(this, frame);
  };
}
