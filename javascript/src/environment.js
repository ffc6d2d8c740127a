/** How the script runs, as far as it is recorded. */
import * as os from "node:os";
import {isSecretName, redactCommand, redactText} from "./secrets.js";

/** Harmless variables; everything else is left out. */
const VARIABLES =
  /^(?:CUDA_VISIBLE_DEVICES|CUDA_DEVICE_ORDER|OMP_NUM_THREADS|RANK|LOCAL_RANK|WORLD_SIZE|SLURM_(?:JOB_ID|PROCID|NTASKS|NNODES)|LANG|TZ|NODE_ENV)$/;

/** The facts for the member `environment` of a metadata record, as a user's value. */
export function environment() {
  const variables = Object.entries(process.env).filter(([name]) => VARIABLES.test(name) && !isSecretName(name));
  return {
    command: redactCommand([process.argv0, ...process.execArgv, ...process.argv.slice(1)]),
    directory: process.cwd(),
    script: process.argv[1] ?? null,
    host: {name: os.hostname(), system: os.type(), cpus: os.cpus().length, memory: os.totalmem()},
    runtime: {language: "JavaScript", version: process.versions.node, executable: process.execPath},
    variables: Object.fromEntries(variables.map(([name, value]) => [name, redactText(value)])),
  };
}
