import { addressOf, type Setting } from '../settings.ts';

/** Where the Message Hub is. */
export const hubSettings = {
  messageHubUrl: {
    name: 'MESSAGE_HUB_URL',
    default: '',
    required: true,
    secret: true,
    describe:
      'address of RabbitMQ with user, password and virtual host: amqp://user:pass@host:5672/vhost, or amqps:',
    parse: addressOf('amqp:', 'amqps:'),
  } satisfies Setting<string> as Setting<string>,
};
