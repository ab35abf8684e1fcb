export * from "../../src/sim/rng.ts";
