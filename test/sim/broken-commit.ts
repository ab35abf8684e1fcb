export * from "../../src/sim/broken-commit.ts";
