export * from "../../src/sim/demo-report.ts";
