export * from "../../src/sim/relay-process.ts";
