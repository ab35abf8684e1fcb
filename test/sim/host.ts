export * from "../../src/sim/host.ts";
