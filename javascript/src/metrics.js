/** The metrics of a stream: their definitions, curves and best values (specification, "Metrics"). */
import {isLifecycle} from "./forms.js";
import {isDefinition} from "./schema.js";

const MEMBERS = ["direction", "unit", "description", "axis"];

/**
 * A metric of the events of one name: its definition, the values that have a position on its axis, in the order of their
 * lines, and the event that has the best value. Integers beyond ±2^53−1 are BigInts.
 * @typedef {{direction?: "minimize" | "maximize", unit?: string, description?: string, axis?: string}} Definition
 * @typedef {{definition: Definition | null, points: [number | bigint, number | bigint][],
 *   best: import("./reader.js").Event | null}} Metric
 */

/**
 * The metrics of a stream, by the name of the event and of the metric. Superseded events are left out.
 * @param {{streams: Map<string, import("./reader.js").StreamContent>}} experiment as `read` returns it
 * @param {string} [stream] its path in the experiment
 * @returns {Map<string, Map<string, Metric>>}
 */
export function metrics({streams}, stream = "log.jsonl") {
  const events = streams.get(stream)?.events ?? [];
  const own = definitions(events);
  const others = stream === "log.jsonl" ? own : definitions(streams.get("log.jsonl")?.events ?? []);
  /** @type {Map<string, Map<string, Metric>>} */
  const found = new Map();
  const counts = new Map(); // of the values of each metric, for events without a step
  for (const event of events) {
    if (event.superseded || isLifecycle(event.event)) continue;
    for (const [name, value] of event.data) {
      if (name === "step" || !isMetric(value)) continue;
      const ofEvent = found.get(event.event) ?? new Map();
      found.set(event.event, ofEvent);
      const metric = ofEvent.get(name) ?? {
        definition: definitionOf(own, others, event.event, name),
        points: [],
        best: null,
      };
      ofEvent.set(name, metric);
      const count = counts.get(metric) ?? 0;
      counts.set(metric, count + 1);
      const position = positionOf(event.data, metric.definition?.axis ?? "step", count);
      if (position !== null) metric.points.push([position, value]);
      if (isBetter(value, metric.best?.data.get(name), metric.definition?.direction)) metric.best = event;
    }
  }
  return found;
}

/** The definitions in a stream by their metric and event; a later one replaces an earlier one. */
function definitions(events) {
  const all = new Map();
  for (const {event, data} of events)
    if (event === "mlv/metric" && isDefinition(data)) all.set(keyOf(data.get("event"), data.get("metric")), data);
  return all;
}

const keyOf = (event, metric) => JSON.stringify([event ?? null, metric]);

/** @returns {Definition | null} */
function definitionOf(own, others, event, metric) {
  for (const name of [event, undefined]) {
    const data = own.get(keyOf(name, metric)) ?? others.get(keyOf(name, metric));
    if (data)
      return Object.fromEntries(
        MEMBERS.filter((member) => data.has(member)).map((member) => [member, data.get(member)]),
      );
  }
  return null;
}

const isMetric = (value) => typeof value === "number" || typeof value === "bigint";
const isFiniteNumber = (value) => typeof value === "bigint" || Number.isFinite(value);

/** The position on an axis, or null; on the axis `step`, an event without a step has its count. */
function positionOf(data, axis, count) {
  const value = data.get(axis);
  if (axis !== "step") return isMetric(value) && isFiniteNumber(value) ? value : null;
  const isInteger = typeof value === "bigint" || Number.isInteger(value);
  if (!isInteger || value < -(2n ** 63n) || value >= 2n ** 63n) return count;
  return Object.is(value, -0) ? 0 : value;
}

/** Whether a value is better than the best one so far, if there is one: numbers and BigInts compare exactly. */
function isBetter(value, best, direction) {
  if (!direction || !isFiniteNumber(value)) return false;
  return best === undefined || (direction === "minimize" ? value < best : value > best);
}
