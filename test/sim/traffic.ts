export * from "../../src/sim/traffic.ts";
