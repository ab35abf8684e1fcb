export * from "../../src/sim/keys.ts";
