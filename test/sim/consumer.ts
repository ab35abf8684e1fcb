export * from "../../src/sim/consumer.ts";
