import { addressOf, type Setting } from '../settings.ts';

const amqpAddress = addressOf('amqp:', 'amqps:');

/** Where the Message Hub is. */
export const hubSettings = {
  messageHubUrl: {
    name: 'MESSAGE_HUB_URL',
    default: '',
    required: true,
    secret: true,
    describe:
      'address of RabbitMQ with user, password and virtual host: amqp://user:pass@host:5672/vhost, or amqps:',
    parse(text) {
      const { username, password, pathname } = new URL(amqpAddress(text));
      if (![username, password, pathname].every(isDecodable)) {
        throw new Error('must have a % of user, password or virtual host written as %25');
      }
      // Else all from the second slash on would silently be left out.
      if (pathname.indexOf('/', 1) === -1) return text;
      throw new Error(
        'must name one virtual host after the host; a slash in its name is written %2F',
      );
    },
  } satisfies Setting<string> as Setting<string>,
};

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
