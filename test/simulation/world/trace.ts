/** What happened, a line each. Ids that differ from run to run are told by names that do not. */
export class Trace {
  readonly lines: string[] = [];
  readonly #clock: () => number;
  readonly #names = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  say(who: string, what: string): void {
    const seconds = (this.#clock() / 1000).toFixed(3);
    this.lines.push(`${seconds.padStart(12)}  ${who.padEnd(10)}  ${what}`);
  }

  /** The same name for the same id: `image 3` is the third image that was spoken of. */
  name(kind: string, id: string | undefined): string {
    if (id === undefined) return `${kind} ?`;
    let name = this.#names.get(id);
    if (!name) {
      const count = (this.#counts.get(kind) ?? 0) + 1;
      this.#counts.set(kind, count);
      name = `${kind} ${count}`;
      this.#names.set(id, name);
    }
    return name;
  }
}
