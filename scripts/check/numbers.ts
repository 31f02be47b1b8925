import { fault, type Source } from './source.ts';

/**
 * Numbers that a text repeats from the code. `sentence` has a group for each number, in the order of
 * `constants`, which are named with their file: names repeat, places do not.
 */
export type StatedNumbers = { text: string; sentence: RegExp; constants: readonly Constant[] };
type Constant = { file: string; name: string };

const admission = (name: string) => ({ file: 'src/image-service/request/admission.ts', name });
const limit = (name: string) => ({ file: 'src/contract/limits.ts', name });

export const STATED_NUMBERS: readonly StatedNumbers[] = [
  {
    text: 'deploy/grafana/dashboard.json',
    sentence: /images and themes: (\d+) inside \((\d+) while the event loop is late\)/,
    constants: [admission('ANSWERS_MAX'), admission('ANSWERS_MAX_LATE')],
  },
  {
    text: 'docs/operating.md',
    sentence: /admits (\d+) requests at a time instead of (\d+)/,
    constants: [admission('ANSWERS_MAX_LATE'), admission('ANSWERS_MAX')],
  },
  {
    text: 'docs/operating.md',
    sentence: /`dnd_hub_in_flight` near (\d+) calls/,
    constants: [limit('CALLS_IN_FLIGHT_MAX')],
  },
  {
    text: 'docs/operating.md',
    sentence: /`dnd_decoder_jobs\{state="waiting"\}` near (\d+)/,
    constants: [{ file: 'src/media/decoder-pool.ts', name: 'queueMax' }],
  },
  {
    text: 'docs/architecture.md',
    sentence: /inspected two at a time, and (\d+) wait for that/,
    constants: [{ file: 'src/media/decoder-pool.ts', name: 'queueMax' }],
  },
];

/** Sentences that are gone, and numbers that are not those of the code. */
export function numberFaults(
  texts: readonly Source[],
  code: readonly Source[],
  stated: readonly StatedNumbers[] = STATED_NUMBERS,
): string[] {
  return stated.flatMap(({ text: path, sentence, constants }) => {
    const document = texts.find((found) => found.path === path) ?? { path, text: '' };
    const found = sentence.exec(document.text);
    if (!found) return [fault(document, 0, `no sentence matches ${sentence}`)];
    return constants.flatMap((constant, index) => {
      const value = numberOf(constant, code);
      const told = Number(found[index + 1]);
      if (told === value) return [];
      return [fault(document, found.index, `${constant.name} is ${value}, not ${told}`)];
    });
  });
}

function numberOf({ file, name }: Constant, code: readonly Source[]): number | undefined {
  const text = code.find(({ path }) => path === file)?.text ?? '';
  const definition = new RegExp(`^(?:(?:export )?const ${name} =|\\s+${name}:) ([\\d_]+)[;,]`, 'm');
  const value = definition.exec(text)?.[1];
  return value === undefined ? undefined : Number(value.replaceAll('_', ''));
}
