import assert from "node:assert/strict";
import {createHash, randomBytes} from "node:crypto";
import {test} from "node:test";
import {Sha256} from "../src/sha256.js";

/** The example messages that NIST publishes for SHA-256, with their digests; the last of 2^29 bytes is left out. */
const NIST = [
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  ],
  [
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
    "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
  ],
  ["\xbd", "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b"],
  ["\xc9\x8c\x8e\x55", "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504"],
  ["\0".repeat(55), "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"],
  ["\0".repeat(56), "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"],
  ["\0".repeat(57), "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785"],
  ["\0".repeat(64), "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"],
  ["\0".repeat(1000), "541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53"],
  ["A".repeat(1000), "c2e686823489ced2017f6059b8b239318b6364f6dcd835d0a519105a1eadd6e4"],
  ["U".repeat(1005), "f4d62ddec0f3dd90ea1380fa16a5ff8dc4c54b21740650f24afc4120903552b0"],
  ["\0".repeat(1_000_000), "d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025"],
  ["a".repeat(1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
];

test("the messages of NIST have their digests", () => {
  for (const [message, digest] of NIST)
    assert.equal(new Sha256().update(Buffer.from(message, "latin1")).digest("hex"), digest);
});

test("bytes that come in any parts have the digest that Node gives for the whole", () => {
  for (let length = 0; length < 300; length++) {
    const bytes = randomBytes(length);
    const hash = new Sha256();
    for (let from = 0; from < length; ) {
      const to = Math.min(length, from + Math.floor(Math.random() * 140));
      hash.update(bytes.subarray(from, to));
      from = to;
    }
    assert.equal(hash.digest("hex"), createHash("sha256").update(bytes).digest("hex"), bytes.toString("hex"));
  }
});

test("a long message in large parts has the digest that Node gives", () => {
  const part = randomBytes(1_000_003);
  const [mine, nodes] = [new Sha256(), createHash("sha256")];
  for (let count = 0; count < 20; count++) {
    mine.update(part);
    nodes.update(part);
  }
  assert.equal(mine.digest("hex"), nodes.digest("hex"));
});

test("a message of more than 2^32 bits has its length in both words", {skip: !process.env.MLV_LONG}, () => {
  const part = new Uint8Array(2 ** 24).fill(0x5a); // the last example of NIST, of 2^29 bytes
  const hash = new Sha256();
  for (let count = 0; count < 32; count++) hash.update(part);
  assert.equal(hash.digest("hex"), "15a1868c12cc53951e182344277447cd0979536badcc512ad24c67e9b2d4f3dd");
});
