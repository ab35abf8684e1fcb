export * from "../../src/sim/plc-operation.ts";
