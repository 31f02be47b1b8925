import type { World } from './world.ts';

/** What a caller in a process that has died waits for. */
const NEVER = new Promise<never>(() => {});

/**
 * Something that can die. Its code goes on, as nothing can stop it, but it calls ports in vain:
 * none of them does anything or answers any more.
 */
export class Process {
  readonly world: World;
  readonly name: string;
  /** Resolves when it dies. */
  readonly death: Promise<void>;
  readonly #dying = Promise.withResolvers<void>();
  #dead = false;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.death = this.#dying.promise;
  }

  get dead(): boolean {
    return this.#dead;
  }

  die(why: string): void {
    if (this.#dead) return;
    this.#dead = true;
    this.world.trace.say(this.name, `dies: ${why}`);
    this.#dying.resolve();
  }

  /** It may die now, by chance. True when it is dead. */
  mayDie(when: string): boolean {
    if (!this.#dead && this.world.dies()) this.die(when);
    return this.#dead;
  }

  /** Time passes; a dead process does not wake up. */
  async sleep(ms: number): Promise<void> {
    await this.world.time.sleep(ms);
    if (this.#dead) await NEVER;
  }

  /**
   * A call of a port: it takes time, its effect comes at once, its answer may take time again.
   * The process may die before the effect, and between effect and answer.
   */
  async call<T>(what: string, act: () => T): Promise<T> {
    const { portMs } = this.world.profile;
    await this.sleep(this.world.delay(portMs));
    if (this.mayDie(`before ${what}`)) await NEVER;
    const value = act();
    if (this.mayDie(`after ${what}`)) await NEVER;
    if (this.world.chance.oneIn(2)) await this.sleep(this.world.delay(portMs));
    return value;
  }
}
