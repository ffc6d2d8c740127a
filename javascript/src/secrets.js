/** What looks like a secret, by names and well-known formats: a best effort. */
import {MAX_DEPTH, membersOf, Typed} from "./user.js";

const WORDS = new Set([
  "secret",
  "secrets",
  "password",
  "passwd",
  "passphrase",
  "pwd",
  "token",
  "apikey",
  "credential",
  "credentials",
  "auth",
  "authorization",
  "cookie",
]);
const BEFORE_KEY = new Set(["api", "access", "private", "secret", "encryption", "signing", "auth", "ssh"]);
const FORMATS =
  /^(?:sk-|ghp_|gho_|github_pat_|hf_|glpat-|xox[a-z]-|AKIA[0-9A-Z]{12}|eyJ[\w-]+[.])[\w.-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY/;

export const redacted = () => new Typed("redacted", new Map());

/** Whether a name is that of a secret: `hf_token`, not `max_tokens`. */
export function isSecretName(name) {
  const words = name
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  return words.some((word, at) => WORDS.has(word) || (["key", "keys"].includes(word) && BEFORE_KEY.has(words[at - 1])));
}

/** A string without what looks like a secret. */
export function redactText(text) {
  return FORMATS.test(text) ? redacted() : text.replace(/(:\/\/)[^/\s@]+@/g, "$1");
}

/** A user's value in which the strings under secret names are redacted. */
export function redactTree(value, isSecret = false, depth = 0) {
  if (typeof value === "string") return isSecret ? redacted() : value.isWellFormed() ? redactText(value) : value;
  if (depth > MAX_DEPTH) return value; // a cycle, or too deep to be encoded
  if (Array.isArray(value)) return value.map((item) => redactTree(item, isSecret, depth + 1));
  const members = membersOf(value);
  if (members)
    return new Map(
      members.map(([name, member]) => [name, redactTree(member, isSecret || isSecretName(String(name)), depth + 1)]),
    );
  return isSecret && value instanceof Uint8Array ? redacted() : value;
}

/** A command line in which the values of secret options are redacted. */
export function redactCommand(command) {
  return command.map((argument, at) => {
    const before = command[at - 1] ?? "";
    if (before.startsWith("-") && !before.includes("=") && isSecretName(before) && !argument.startsWith("-"))
      return redacted();
    const equals = argument.indexOf("=");
    return equals > 0 && isSecretName(argument.slice(0, equals)) ? redacted() : redactText(argument);
  });
}
