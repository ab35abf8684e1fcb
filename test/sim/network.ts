export * from "../../src/sim/network.ts";
