import { type Element, ElementReader, type Elements, showTag } from './elements.js';
import { damaged } from './errors.js';

const textVrs = new Set(['DS', 'IS']);

/** A data set's values by tag. */
export class DataSet {
  readonly #elements: Elements;

  constructor(elements: Elements) {
    this.#elements = elements;
  }

  element(tag: number): Element | undefined {
    return this.#elements.get(tag);
  }

  /** The text without its padding; undefined where there is none. */
  text(tag: number): string | undefined {
    const value = this.element(tag)?.value.subarray(0, 1024).toString('latin1');
    return value?.replace(/[\0 ]+$/, '').trimStart() || undefined;
  }

  /** A code: capitals, figures, spaces and underscores. Anything else that someone typed in is left out. */
  code(tag: number): string | undefined {
    const value = this.text(tag)?.split('\\')[0]?.trim();
    return value && /^[A-Z0-9_ ]{1,16}$/.test(value) ? value : undefined;
  }

  /** Numbers written as text (DS, IS); what is no number is NaN. */
  decimals(tag: number): number[] {
    const text = this.text(tag);
    return text ? text.split('\\').map((part) => (part.trim() ? Number(part) : Number.NaN)) : [];
  }

  /** Two-byte integers; signed where the file says so, or else where `signed` does. */
  integers(tag: number, signed = false): number[] {
    const element = this.element(tag);
    if (!element) return [];
    const { value, vr, encoding } = element;
    if (vr !== undefined && textVrs.has(vr)) return this.decimals(tag);
    const asSigned = vr === 'SS' || (vr !== 'US' && signed);
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    return Array.from({ length: value.length >> 1 }, (_, i) =>
      asSigned
        ? view.getInt16(2 * i, !encoding.bigEndian)
        : view.getUint16(2 * i, !encoding.bigEndian),
    );
  }

  integer(tag: number, fallback?: number): number {
    const [value = fallback] = this.integers(tag);
    if (value === undefined) throw damaged(`${showTag(tag)} is missing, which an image needs`);
    return value;
  }

  /** The items of a sequence; none where it is absent or empty. */
  items(tag: number): DataSet[] {
    const element = this.element(tag);
    if (!element) return [];
    return new ElementReader(element.value, element.encoding)
      .items()
      .map((item) => new DataSet(item));
  }
}
