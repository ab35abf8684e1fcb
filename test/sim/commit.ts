export * from "../../src/sim/commit.ts";
