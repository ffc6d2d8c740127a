/** The JSON profile of MLV (spec, chapter Bytes): bytes in, a value or the names of the broken rules out. Objects are Maps. */
import {decodeUtf8} from "./directory.js";

export const MAX_RECORD = 16 * 1024 * 1024;
const MAX_DEPTH = 64;
const ESCAPES = {'"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t"};

/**
 * Parses a record.
 * @param {Uint8Array} bytes of a metadata record, or of a line without its LF
 * @param {boolean} isLine
 * @returns {{rules: string[], value: any, isJson: boolean}} `isJson`: every rule up to json.syntax is kept
 */
export function parse(bytes, isLine = false) {
  const broken = (rule) => ({rules: [rule], value: undefined, isJson: false});
  if (bytes.length + (isLine ? 1 : 0) > MAX_RECORD) return broken("json.size");
  const text = decodeUtf8(bytes);
  if (text === null) return broken("json.utf8");
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return broken("json.bom");
  if (isLine && bytes.includes(0x0d)) return broken("log.cr");
  if (isLine && bytes.every((byte) => byte === 0x20 || byte === 0x09)) return broken("log.blank");
  if (isTooDeep(bytes)) return broken("json.depth");
  const parser = new Parser(text);
  try {
    const value = parser.document();
    return {rules: [...parser.rules], value, isJson: true};
  } catch (error) {
    if (error instanceof SyntaxError) return broken("json.syntax");
    throw error;
  }
}

/** Depth is decided before any parsing, so the parser below may recurse. */
export function isTooDeep(bytes) {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > MAX_DEPTH) return true;
    } else if ((byte === 0x5d || byte === 0x7d) && depth > 0) depth--;
  }
  return false;
}

const isDigit = (code) => code >= 0x30 && code <= 0x39;

class Parser {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.rules = new Set();
  }

  document() {
    this.blanks();
    const value = this.value();
    this.blanks();
    if (this.at < this.text.length) this.fail();
    return value;
  }

  fail() {
    throw new SyntaxError(`not JSON at character ${this.at}`);
  }

  blanks() {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return;
      this.at++;
    }
  }

  value() {
    switch (this.text[this.at]) {
      case "{":
        return this.object();
      case "[":
        return this.array();
      case '"':
        return this.string();
      case "t":
        return this.word("true", true);
      case "f":
        return this.word("false", false);
      case "n":
        return this.word("null", null);
      default:
        return this.number();
    }
  }

  word(word, value) {
    if (!this.text.startsWith(word, this.at)) this.fail();
    this.at += word.length;
    return value;
  }

  /** Returns whether a comma follows; throws unless a comma or the closing character follows. */
  hasNext(close) {
    this.blanks();
    const char = this.text[this.at++];
    if (char !== "," && char !== close) this.fail();
    return char === ",";
  }

  object() {
    const members = new Map();
    this.at++;
    this.blanks();
    if (this.text[this.at] === "}") {
      this.at++;
      return members;
    }
    do {
      this.blanks();
      if (this.text[this.at] !== '"') this.fail();
      const name = this.string();
      this.blanks();
      if (this.text[this.at++] !== ":") this.fail();
      this.blanks();
      if (members.has(name)) this.rules.add("json.unique-names");
      members.set(name, this.value());
    } while (this.hasNext("}"));
    return members;
  }

  array() {
    const items = [];
    this.at++;
    this.blanks();
    if (this.text[this.at] === "]") {
      this.at++;
      return items;
    }
    do {
      this.blanks();
      items.push(this.value());
    } while (this.hasNext("]"));
    return items;
  }

  string() {
    const parts = [];
    let from = ++this.at;
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code === 0x22) break;
      if (!(code >= 0x20)) this.fail(); // NaN, the end, included
      if (code !== 0x5c) {
        this.at++;
        continue;
      }
      parts.push(this.text.slice(from, this.at));
      const letter = this.text[this.at + 1];
      if (letter === "u") {
        const digits = this.text.slice(this.at + 2, this.at + 6);
        if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.fail();
        parts.push(String.fromCharCode(parseInt(digits, 16)));
        this.at += 6;
      } else {
        if (letter === undefined || !Object.hasOwn(ESCAPES, letter)) this.fail();
        parts.push(ESCAPES[letter]);
        this.at += 2;
      }
      from = this.at;
    }
    parts.push(this.text.slice(from, this.at++));
    const string = parts.length === 1 ? parts[0] : parts.join("");
    if (parts.length > 1 && !string.isWellFormed()) this.rules.add("json.surrogates");
    return string;
  }

  digits() {
    const from = this.at;
    while (isDigit(this.text.charCodeAt(this.at))) this.at++;
    if (this.at === from) this.fail();
  }

  // By hand: the stack of a regular expression overflows at millions of digits.
  number() {
    const from = this.at;
    let isInteger = true;
    if (this.text[this.at] === "-") this.at++;
    if (this.text[this.at] === "0") this.at++;
    else this.digits();
    if (this.text[this.at] === ".") {
      isInteger = false;
      this.at++;
      this.digits();
    }
    if (this.text[this.at] === "e" || this.text[this.at] === "E") {
      isInteger = false;
      this.at++;
      if (this.text[this.at] === "+" || this.text[this.at] === "-") this.at++;
      this.digits();
    }
    const number = Number(this.text.slice(from, this.at));
    if (!Number.isFinite(number)) this.rules.add("json.finite");
    if (isInteger && Math.abs(number) > Number.MAX_SAFE_INTEGER) this.rules.add("json.integers");
    return number;
  }
}

/** One line of JSON for a value of null, booleans, finite numbers, well-formed strings, arrays and Maps. */
export function stringify(value) {
  if (value instanceof Map) {
    return `{${[...value].map(([name, member]) => `${JSON.stringify(name)}:${stringify(member)}`).join(",")}}`;
  }
  if (Array.isArray(value)) return `[${value.map(stringify).join(",")}]`;
  if (typeof value !== "number") return JSON.stringify(value);
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  // An integer without an exponent beyond the range would break json.integers.
  return Number.isInteger(value) && !Number.isSafeInteger(value) && !text.includes("e") ? `${text}.0` : text;
}
