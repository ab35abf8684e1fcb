export * from "../../src/sim/plc.ts";
