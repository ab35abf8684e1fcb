export * from "../../src/sim/plc-log.ts";
