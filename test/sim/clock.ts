export * from "../../src/sim/clock.ts";
