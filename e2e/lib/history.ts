// The History tab of a chat in Flex, as an agent has it before them.
import type { Locator } from 'playwright-core';
import type { FlexPage } from './flex.ts';
import { until } from './stack.ts';

/** A message as the tab draws it. */
export interface Shown {
  sid: string;
  role: string;
  text: string;
}

export class History {
  readonly flex: FlexPage;

  constructor(flex: FlexPage) {
    this.flex = flex;
  }

  #part = (name: string): Locator => this.flex.page.getByTestId(`holdfast-history-${name}`);

  /** The notice above the task, and its two buttons. */
  get banner() { return this.#part('banner'); }
  get open() { return this.#part('open'); }
  get close() { return this.#part('close'); }

  /** Where the tab is chosen, beside Flex's own. Flex gives header and content one name. */
  get tab() { return this.flex.page.locator('.Twilio-TabHeader').and(this.flex.page.getByTestId('holdfast-history')); }

  /** What the tab holds. */
  get root() { return this.flex.page.locator('.Twilio-Tab').and(this.flex.page.getByTestId('holdfast-history')); }
  get scroll() { return this.#part('messages'); }
  get messages() { return this.#part('message'); }
  /** The lines between conversations. */
  get conversations() { return this.#part('conversation'); }
  get trouble() { return this.#part('trouble'); }
  get retry() { return this.#part('retry'); }
  get search() { return this.#part('search'); }
  get hits() { return this.#part('hits'); }
  get loadAll() { return this.#part('load-all'); }
  get stop() { return this.#part('stop'); }
  get copy() { return this.#part('copy'); }
  get print() { return this.#part('print'); }
  /** Files: pictures in their place, all others as a button. */
  get pictures() { return this.#part('picture'); }
  get files() { return this.#part('file'); }
  get places() { return this.#part('place'); }
  get readOnly() { return this.#part('read-only'); }
  get status() { return this.#part('status'); }
  /** While two tasks are on one conversation. */
  get warning() { return this.#part('warning'); }

  /** What is drawn, from top to bottom. */
  shown = (): Promise<Shown[]> => this.messages.evaluateAll(all => all.map(one => ({
    sid: (one as HTMLElement).dataset.sid ?? '',
    role: (one as HTMLElement).dataset.role ?? '',
    text: (one as HTMLElement).innerText,
  })));

  /** Waits until a message with these words is drawn where the agent sees it. */
  async sees(words: string) {
    const message = this.messages.filter({ hasText: words }).first();
    await message.waitFor();
    await until(`“${words}” to be before the agent's eyes`, () => message.evaluate(one => {
      const box = one.getBoundingClientRect();
      return box.bottom > 0 && box.top < innerHeight;
    }));
  }

  /** Scrolls as a wheel does, up to the oldest that is drawn, until `found` holds. */
  async scrollUpUntil(what: string, found: () => Promise<boolean>, timeout = 30_000) {
    await until(what, async () => {
      if (await found()) return true;
      await this.scroll.hover();
      await this.flex.page.mouse.wheel(0, -1_500);
      return false;
    }, { timeout, every: 100 });
  }

  /** Scrolls up by a part of a screen in each of so many frames. How long each took to be drawn, in ms, and the most messages in the document at once. */
  scrollFor = (frames: number) => this.scroll.evaluate((region, count) => new Promise<{ took: number[]; most: number }>(done => {
    const took: number[] = [];
    let [most, last] = [0, performance.now()];
    const frame = (now: number) => {
      took.push(now - last);
      last = now;
      most = Math.max(most, region.querySelectorAll('[data-testid="holdfast-history-message"]').length);
      if (took.length > count) return done({ took: took.slice(1), most });
      region.scrollTop -= 300;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }), frames);

  /** The message in the middle of what is seen: what a reload has to keep. */
  middle = () => this.scroll.evaluate(region => {
    const { top, height } = region.getBoundingClientRect();
    const middle = top + height / 2;
    const all = [...region.querySelectorAll<HTMLElement>('[data-testid="holdfast-history-message"]')];
    const distance = (one: HTMLElement) => Math.abs((one.getBoundingClientRect().top + one.getBoundingClientRect().bottom) / 2 - middle);
    return all.sort((a, b) => distance(a) - distance(b))[0]?.dataset.sid ?? null;
  });
}
