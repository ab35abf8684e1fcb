export * from "../../src/sim/records.ts";
