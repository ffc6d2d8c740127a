/** Validates what the page posts, as only a worker can read files without waiting. */
import {PickedDirectory, validate} from "../src/browser.js";

const INTERVAL = 100; // milliseconds between reports of the progress

addEventListener("message", ({data: {picked, options}}) => {
  let [bytes, reported] = [0, 0];
  const root = new PickedDirectory(picked, (path, count) => {
    bytes += count;
    if (performance.now() - reported < INTERVAL) return;
    reported = performance.now();
    postMessage({progress: {path, bytes}});
  });
  try {
    postMessage({result: validate(root, options)});
  } catch (error) {
    postMessage({error: error instanceof Error ? error.message : String(error)});
  }
});
