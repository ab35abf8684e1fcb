export * from "../../src/sim/blocks.ts";
