export * from "../../src/sim/tree.ts";
